package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/bench"
	"github.com/sallyport/sallyport/bench/benchtest"
	"github.com/sallyport/sallyport/bench/load"
)

// workerVariable makes the test program a worker process.
const workerVariable = "BENCH_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		if err := bench.Work(context.Background(), os.Stdin, os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func echoJob(url string) load.Job {
	return load.Job{
		Scenario: load.Echo, URLs: []string{url}, Connections: 10, Duration: 200 * time.Millisecond, Message: `{"n":%d,"c":%c}`, Size: 64,
	}
}

func run(t *testing.T, config bench.Config) *bench.Report {
	t.Helper()
	report, err := bench.Run(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestEchoCounts(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*bench.Config)
	}{
		{"as fast as it goes", func(*bench.Config) {}},
		{"several in flight", func(c *bench.Config) { c.Job.InFlight = 4 }},
		{"by a schedule", func(c *bench.Config) { c.Job.Rate = 1000 }},
		{"two loops", func(c *bench.Config) { c.Loops, c.Job.Rate = 2, 1000 }},
		{"goroutines", func(c *bench.Config) { c.Goroutines, c.Job.Rate = true, 1000 }},
		{"goroutines, as fast as it goes", func(c *bench.Config) { c.Goroutines = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var seen atomic.Int64
			url := benchtest.Serve(t, func(c *benchtest.Client) {
				for {
					data, err := c.Read()
					if err != nil {
						return
					}
					if len(data) != 64 || !json.Valid(data) {
						t.Errorf("message %q", data)
					}
					seen.Add(1)
					if c.Write(data) != nil {
						return
					}
				}
			})
			config := bench.Config{Job: echoJob(url)}
			test.change(&config)
			r := run(t, config)
			m := r.Messages
			if r.Connections.Opened != 10 || r.Connections.Failed+r.Connections.Lost != 0 {
				t.Errorf("connections %+v", r.Connections)
			}
			if m.Sent == 0 || m.Sent != seen.Load() || m.Unanswered+m.Unsent+m.Unexpected != 0 || r.Latency.Count != m.Sent {
				t.Errorf("messages %+v, latencies %+v; the server saw %d", m, r.Latency, seen.Load())
			}
			if config.Job.Rate > 0 && m.Sent != 200 {
				t.Errorf("%d messages in 200 ms at 1000 a second", m.Sent)
			}
			if m.Seconds != 0.2 || m.Received > m.Sent {
				t.Errorf("received %d of %d in %v s", m.Received, m.Sent, m.Seconds)
			}
		})
	}
}

// What is sent before the measured time does not count.
func TestWarmup(t *testing.T) {
	var seen atomic.Int64
	url := benchtest.Serve(t, func(c *benchtest.Client) {
		for {
			data, err := c.Read()
			if err != nil || c.Write(data) != nil {
				return
			}
			seen.Add(1)
		}
	})
	job := echoJob(url)
	job.Rate, job.Warmup = 1000, 100*time.Millisecond
	if r := run(t, bench.Config{Job: job}); r.Messages.Sent != 200 || seen.Load() != 300 {
		t.Errorf("%d counted, %d seen", r.Messages.Sent, seen.Load())
	}
}

// A server that stalls is charged with every message that was due meanwhile.
func TestStallShowsInLatency(t *testing.T) {
	const stall = 200 * time.Millisecond
	var stalled atomic.Bool
	url := benchtest.Serve(t, func(c *benchtest.Client) {
		for n := 0; ; n++ {
			data, err := c.Read()
			if err != nil {
				return
			}
			if n == 20 && stalled.CompareAndSwap(false, true) {
				<-time.After(stall)
			}
			if c.Write(data) != nil {
				return
			}
		}
	})
	job := echoJob(url)
	job.Connections, job.InFlight, job.Rate, job.Duration = 1, 1, 200, 400*time.Millisecond
	r := run(t, bench.Config{Job: job})
	if !r.Corrected || r.Latency.Count != 80 {
		t.Fatalf("%+v", r.Latency)
	}
	// Of 80 messages, 5 ms apart, one waits for the stall; 39 more were due in it.
	if r.Latency.P99 < 150_000 || r.Latency.P50 < 5_000 && r.Latency.P90 < 90_000 {
		t.Errorf("the stall does not show from the schedule: %+v", r.Latency)
	}
	if r.Service.P90 > 100_000 || r.Service.Max < 150_000 {
		t.Errorf("from the send, one message waits: %+v", r.Service)
	}
}

func TestProcesses(t *testing.T) {
	url := benchtest.Serve(t, benchtest.Echo)
	job := echoJob(url)
	job.Rate, job.Connections = 500, 7
	t.Setenv(workerVariable, "1")
	r := run(t, bench.Config{Job: job, Processes: 2, Worker: []string{os.Args[0]}})
	if r.Connections.Opened != 7 || r.Messages.Sent < 98 || r.Messages.Sent > 102 || r.Latency.Count != r.Messages.Sent {
		t.Errorf("%+v %+v", r.Connections, r.Messages)
	}
}

// A failing worker process is told as if it were this one.
func TestProcessesFail(t *testing.T) {
	t.Setenv(workerVariable, "1")
	_, err := bench.Run(t.Context(), bench.Config{Job: echoJob("ws://127.0.0.1:1/"), Processes: 2, Worker: []string{os.Args[0]}})
	if err == nil || !strings.Contains(err.Error(), "nothing listens at ws://127.0.0.1:1/") {
		t.Errorf("%v", err)
	}
}

func TestStopped(t *testing.T) {
	url := benchtest.Serve(t, benchtest.Echo)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	job := echoJob(url)
	job.Duration = time.Hour
	r, err := bench.Run(ctx, bench.Config{Job: job, Progress: func(p bench.Progress) {
		if p.Doing == "measuring" && p.Now.Received > 0 {
			stop()
		}
	}})
	if err != nil || !r.Stopped || r.Messages.Received == 0 || r.Latency == nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestIdle(t *testing.T) {
	url := benchtest.Serve(t, benchtest.Echo)
	job := echoJob(url)
	job.Scenario, job.Connections = load.Idle, 50
	r := run(t, bench.Config{Job: job, From: 10, PIDs: []int{os.Getpid()}})
	if r.Connections.Checked != 50 || r.Connections.Alive != 50 || r.Latency.Count != 50 {
		t.Errorf("%+v", r.Connections)
	}
	if len(r.Memory) != 2 || r.Memory[0].Connections != 10 || r.Slope == nil || r.Slope.Connections != 40 || r.Server == nil {
		t.Errorf("memory %+v, slope %+v", r.Memory, r.Slope)
	}
}

func TestFailuresAreNamed(t *testing.T) {
	refusing := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "go away", status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	silent := benchtest.Serve(t, func(*benchtest.Client) {})
	for _, test := range []struct {
		name   string
		change func(*bench.Config)
		want   []string
	}{
		{"nobody there", func(c *bench.Config) { c.Job.URLs = []string{"ws://127.0.0.1:1/x"} }, []string{"nothing listens at ws://127.0.0.1:1/x", "--start"}},
		{"403", func(c *bench.Config) { c.Job.URLs = []string{refusing(403)} }, []string{"status 403", "go away", "--header"}},
		{"426", func(c *bench.Config) { c.Job.URLs = []string{refusing(426)} }, []string{"status 426", "is it a WebSocket"}},
		{"too few descriptors", func(c *bench.Config) { c.Job.Connections = 5_000_000 }, []string{"--processes"}},
		{"no URL", func(c *bench.Config) { c.Job.URLs = []string{"127.0.0.1:80"} }, []string{"a URL can't be read"}},
		{"no URL but a scheme", func(c *bench.Config) { c.Job.URLs = []string{"localhost:80/x"} }, []string{"localhost:80/x", "ws://"}},
		{"a password", func(c *bench.Config) { c.Job.URLs = []string{"ws://me:secret@127.0.0.1:1/"} }, []string{"ws://me:xxxxx@127.0.0.1:1/"}},
		{"another scheme", func(c *bench.Config) { c.Job.URLs = []string{"ftp://127.0.0.1/"} }, []string{"ws://"}},
		{"no process", func(c *bench.Config) { c.PIDs = []int{1 << 30} }, []string{"--pid 1073741824"}},
		{"no port", func(c *bench.Config) { c.Job.URLs = []string{"ws://127.0.0.1:99999/"} }, []string{"99999"}},
		{"a header without a name", func(c *bench.Config) { c.Job.Header = []string{"x"} }, []string{"'Name: value'"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := bench.Config{Job: echoJob(silent)}
			test.change(&config)
			_, err := bench.Run(t.Context(), config)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v, want %q in it", err, want)
				}
			}
		})
	}
}

// Some failures are counted, and the rest goes on.
func TestPartOfTheConnectionsFails(t *testing.T) {
	var n atomic.Int64
	echo := benchtest.Serve(t, benchtest.Echo)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		benchtest.Relay(w, r, echo)
	}))
	defer proxy.Close()
	job := echoJob(proxy.URL)
	job.Rate = 500
	r := run(t, bench.Config{Job: job})
	if r.Connections.Opened != 5 || r.Connections.Failures["status 429"] != 5 || r.Messages.Sent+r.Messages.Unsent != 100 || r.Messages.Sent != 50 {
		t.Errorf("%+v %+v", r.Connections, r.Messages)
	}
}

// The names of the report's fields are what programs rely on.
func TestReportJSON(t *testing.T) {
	url := benchtest.Serve(t, benchtest.Echo)
	job := echoJob(url)
	job.Rate = 500
	r := run(t, bench.Config{Job: job})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		`"scenario":"echo"`, `"urls":`, `"settings":{"connections":10,"rate":500,"size":64,"inFlight":16,"processes":1,"loops":1,"warmupSeconds":0,"durationSeconds":0.2}`,
		`"stopped":false`, `"opened":10`, `"messages":{"seconds":0.2,"sent":100,`, `"corrected":true`, `"latency":{"count":100,"min":`, `"p999":`, `"histogram":"HIST`,
	} {
		if !strings.Contains(string(text), name) {
			t.Errorf("no %s in %s", name, text)
		}
	}
	var back bench.Report
	if err := json.Unmarshal(text, &back); err != nil || back.Latency.Histogram.Count() != 100 {
		t.Errorf("read back: %v", err)
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "latency, from schedule") {
		t.Errorf("%v\n%s", err, &table)
	}
}
