package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/bench"
	"github.com/sallyport/sallyport/bench/benchtest"
	"github.com/sallyport/sallyport/bench/load"
	"github.com/sallyport/sallyport/gateway"
)

func TestConnect(t *testing.T) {
	var opened, open, most atomic.Int64
	url := benchtest.Serve(t, func(c *benchtest.Client) {
		opened.Add(1)
		if n := open.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer open.Add(-1)
		benchtest.Echo(c)
	})
	job := echoJob(url)
	job.Scenario, job.Rate = load.Connect, 200
	r := run(t, bench.Config{Job: job})
	if m := r.Messages; m.Sent != 40 || opened.Load() != 40 || r.Connections.Opened != 40 || m.Received == 0 || r.Latency.Count != 40 || r.Connections.Lost != 0 {
		t.Errorf("%+v %+v, the server saw %d", r.Messages, r.Connections, opened.Load())
	}
	if n := most.Load(); n < 5 || n > 35 {
		t.Errorf("%d connections were open at once, of 10", n)
	}
}

func TestConnectRefused(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }))
	defer refusing.Close()
	job := echoJob(refusing.URL)
	job.Scenario = load.Connect
	if _, err := bench.Run(t.Context(), bench.Config{Job: job}); err == nil || !strings.Contains(err.Error(), "status 429") {
		t.Errorf("%v", err)
	}
}

func TestHTTP(t *testing.T) {
	for _, test := range []struct {
		name    string
		answer  http.HandlerFunc
		status  string
		reopens bool
	}{
		{"with a length", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }, "200", false},
		{"in chunks", func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				io.WriteString(w, "hello")
				w.(http.Flusher).Flush()
			}
		}, "200", false},
		{"without a body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "204", false},
		{"that close", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(404)
		}, "404", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var seen atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != "POST" || string(body) != "ping" || r.RequestURI != "/a?b=c" || r.Header.Get("X-Test") != "1" {
					t.Errorf("%s %s %q %v", r.Method, r.RequestURI, body, r.Header)
				}
				seen.Add(1)
				test.answer(w, r)
			}))
			defer server.Close()
			job := load.Job{
				Scenario: load.Request, URLs: []string{server.URL + "/a?b=c"}, Header: []string{"X-Test: 1"}, Connections: 5, Rate: 500,
				Duration: 200 * time.Millisecond, Method: "POST", Body: "ping",
			}
			r := run(t, bench.Config{Job: job})
			if m := r.Messages; m.Sent != 100 || seen.Load() != 100 || m.Statuses[test.status] != m.Received || r.Latency.Count != 100 || m.Unanswered+m.Unsent > 0 {
				t.Errorf("%+v, the server saw %d", m, seen.Load())
			}
			if (r.Connections.Opened > 5) != test.reopens {
				t.Errorf("%+v", r.Connections)
			}
		})
	}
}

// pushServer is a gateway as far as pushes go.
type pushServer struct {
	url, callback string
	mu            sync.Mutex
	clients       map[string]*benchtest.Client
	posts         atomic.Int64
	status        atomic.Int64
}

func newPushServer(t *testing.T) *pushServer {
	s := &pushServer{clients: map[string]*benchtest.Client{}}
	edge := gateway.NewEdgeID()
	s.url = benchtest.Serve(t, func(c *benchtest.Client) {
		id := string(gateway.NewConnectionID(edge))
		s.mu.Lock()
		s.clients[id] = c
		s.mu.Unlock()
		for {
			message, err := c.Read()
			if err != nil {
				return
			}
			var m struct{ Action string }
			switch json.Unmarshal(message, &m); m.Action {
			case "id":
				s.write(c, id)
			case "all":
				s.mu.Lock()
				for _, other := range s.clients {
					_ = other.Write(message)
				}
				s.mu.Unlock()
			}
		}
	}) + "/api/stage"
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.posts.Add(1)
		body, _ := io.ReadAll(r.Body)
		id := strings.TrimPrefix(r.URL.Path, "/back/@connections/")
		if !strings.HasSuffix(r.RequestURI, "%3D") || r.Method != "POST" {
			t.Errorf("%s %s", r.Method, r.RequestURI)
		}
		s.mu.Lock()
		c := s.clients[id]
		s.mu.Unlock()
		if status := int(s.status.Load()); status != 0 {
			w.WriteHeader(status)
			return
		}
		s.write(c, string(body))
	}))
	t.Cleanup(callback.Close)
	s.callback = callback.URL + "/back"
	return s
}

func (s *pushServer) write(c *benchtest.Client, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = c.Write([]byte(text))
}

func (s *pushServer) job(scenario load.Scenario) load.Job {
	job := echoJob(s.url)
	job.Scenario, job.Message, job.IDMessage, job.Callback, job.Rate = scenario, `{"pushed":%d}`, `{"action":"id"}`, s.callback, 500
	return job
}

func TestPush(t *testing.T) {
	s := newPushServer(t)
	r := run(t, bench.Config{Job: s.job(load.Push)})
	if m := r.Messages; m.Sent != 100 || s.posts.Load() != 100 || r.Latency.Count != 100 || r.Call.Count != 100 || m.Statuses["200"] != 100 || m.Unanswered+m.Unsent+m.Unexpected > 0 {
		t.Errorf("%+v, %d posts", r.Messages, s.posts.Load())
	}
	job := s.job(load.Push)
	job.Rate, job.InFlight = 0, 2
	if r := run(t, bench.Config{Job: job}); r.Messages.Received == 0 || r.Messages.Unanswered > 0 {
		t.Errorf("%+v", r.Messages)
	}
}

func TestPushRefused(t *testing.T) {
	s := newPushServer(t)
	s.status.Store(410)
	r := run(t, bench.Config{Job: s.job(load.Push)})
	if m := r.Messages; m.Statuses["410"] != 100 || m.Unanswered != 100 || m.Received != 0 {
		t.Errorf("%+v", m)
	}
	job := s.job(load.Push)
	job.Callback = "http://127.0.0.1:1/"
	r = run(t, bench.Config{Job: job})
	if m := r.Messages; m.Statuses["connection refused"] != 100 || m.Unanswered != 100 {
		t.Errorf("%+v", m)
	}
	job.IDMessage = `{"action":"all"}`
	if _, err := bench.Run(t.Context(), bench.Config{Job: job}); err == nil || !strings.Contains(err.Error(), "--id-message") {
		t.Errorf("%v", err)
	}
}

func TestFanout(t *testing.T) {
	for _, via := range []string{"push", "message"} {
		for _, rate := range []float64{0, 50} {
			t.Run(fmt.Sprintf("%s at %g", via, rate), func(t *testing.T) {
				s := newPushServer(t)
				job := s.job(load.Fanout)
				job.Rate, job.InFlight = rate, 2
				if via == "message" {
					job.IDMessage, job.Message = "", `{"action":"all","n":%d}`
				}
				r := run(t, bench.Config{Job: job})
				m := r.Messages
				if m.Sent == 0 || rate > 0 && m.Sent != 10 || r.Last.Count != m.Sent || r.Latency.Count != 10*m.Sent || m.Unanswered+m.Unexpected > 0 {
					t.Errorf("%+v, last %+v, latency %+v", m, r.Last, r.Latency)
				}
			})
		}
	}
	s := newPushServer(t)
	if _, err := bench.Run(t.Context(), bench.Config{Job: s.job(load.Fanout), Loops: 2}); err == nil || !strings.Contains(err.Error(), "--loops") {
		t.Errorf("%v", err)
	}
}

// Deaf connections are sent to, and not waited for.
func TestDeaf(t *testing.T) {
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
	for _, goroutines := range []bool{false, true} {
		seen.Store(0)
		job := echoJob(url)
		job.Rate, job.Deaf = 500, 5 // of the numbers 0 to 99, and so the first five
		r := run(t, bench.Config{Job: job, Goroutines: goroutines})
		if r.Messages.Sent != 50 || r.Messages.Unanswered != 0 || seen.Load() != 100 {
			t.Errorf("%+v, the server saw %d", r.Messages, seen.Load())
		}
	}
}

// A greeting comes before the first message, and its answer makes the connection count.
func TestHelloAndExpect(t *testing.T) {
	url := benchtest.Serve(t, func(c *benchtest.Client) {
		for _, greeting := range []string{"0{}", "noise"} {
			_ = c.Write([]byte(greeting))
		}
		hello, err := c.Read()
		if err != nil || !strings.HasPrefix(string(hello), "40") {
			t.Errorf("hello %q, %v", hello, err)
			return
		}
		_ = c.Write([]byte("40{}"))
		for {
			data, err := c.Read()
			if err != nil {
				return
			}
			_ = c.Write([]byte("noise"))
			_ = c.Write(data)
		}
	})
	job := echoJob(url)
	job.Hello, job.Ready, job.Expect, job.Message, job.Rate = "40,%c", "40{", `42[`, `42["echo",%d]`, 500
	r := run(t, bench.Config{Job: job})
	if m := r.Messages; m.Sent != 100 || r.Latency.Count != 100 || m.Unexpected+m.Unanswered > 0 {
		t.Errorf("%+v", m)
	}
}

// A server that --start starts is measured, and ended afterwards.
func TestStart(t *testing.T) {
	if _, err := bench.Run(t.Context(), bench.Config{Job: echoJob("ws://127.0.0.1:1/"), Start: "exit 3"}); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
	busy := benchtest.Serve(t, benchtest.Echo)
	if _, err := bench.Run(t.Context(), bench.Config{Job: echoJob(busy), Start: "sleep 60"}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bench.Run(ctx, bench.Config{Job: echoJob("ws://127.0.0.1:1/"), Start: "sleep 60"}); err == nil {
		t.Error("nothing listens, and nobody noticed")
	}
}

// Connections come from the source addresses in turn, in all workers together.
func TestSourceAddresses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems have one loopback address")
	}
	var mu sync.Mutex
	seen := map[string]int{}
	url := benchtest.Serve(t, func(c *benchtest.Client) {
		host, _, _ := net.SplitHostPort(c.Conn.RemoteAddr().String())
		mu.Lock()
		seen[host]++
		mu.Unlock()
		benchtest.Echo(c)
	})
	for _, goroutines := range []bool{false, true} {
		mu.Lock()
		clear(seen)
		mu.Unlock()
		job := echoJob(url)
		job.Rate, job.Connections = 100, 12
		job.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.9.9.9")}
		run(t, bench.Config{Job: job, Loops: 2, Goroutines: goroutines})
		mu.Lock()
		if seen["127.0.0.2"] != 4 || seen["127.0.0.3"] != 4 || seen["127.9.9.9"] != 4 {
			t.Errorf("%v", seen)
		}
		mu.Unlock()
	}
	job := echoJob(url)
	job.Sources = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	if _, err := bench.Run(t.Context(), bench.Config{Job: job}); err == nil || !strings.Contains(err.Error(), "--source") {
		t.Errorf("an address of another machine: %v", err)
	}
}

// TLS goes by goroutines, and an unknown certificate is named.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	job := load.Job{Scenario: load.Request, URLs: []string{server.URL}, Insecure: true, Connections: 3, Rate: 200, Duration: 200 * time.Millisecond, Method: "GET"}
	if r := run(t, bench.Config{Job: job}); r.Messages.Statuses["200"] == 0 || r.Latency.Count != 40 {
		t.Errorf("%+v", r.Messages)
	}
	job.Insecure = false
	if _, err := bench.Run(t.Context(), bench.Config{Job: job}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}
