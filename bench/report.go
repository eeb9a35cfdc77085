package bench

import (
	"fmt"
	"net/url"
	"time"

	"github.com/sallyport/sallyport/bench/load"
)

// Report is the outcome of a run. Its JSON is for programs: fields are added, and keep their names and units.
type Report struct {
	Scenario load.Scenario `json:"scenario"`
	URLs     []string      `json:"urls"`
	Settings Settings      `json:"settings"`
	// Stopped says that the run was ended before its time.
	Stopped bool `json:"stopped"`
	// StartSeconds is from the start of the server to its first accepted connection, when the run started it.
	StartSeconds float64     `json:"startSeconds,omitempty"`
	Connections  Connections `json:"connections"`
	Messages     Messages    `json:"messages"`

	// Corrected says that Latency counts from when a message was due, by a schedule; else it is Service.
	Corrected bool     `json:"corrected"`
	Latency   *Latency `json:"latency,omitempty"`
	Service   *Latency `json:"service,omitempty"`
	Handshake *Latency `json:"handshake,omitempty"`
	Call      *Latency `json:"call,omitempty"`
	Last      *Latency `json:"last,omitempty"`
	Server    *CPU     `json:"server,omitempty"`
	Generator *CPU     `json:"generator,omitempty"`
	Memory    []Memory `json:"memory,omitempty"`
	Slope     *Memory  `json:"memoryPerConnection,omitempty"` // between the first and the last of Memory
	Warnings  []string `json:"warnings,omitempty"`
}

// Settings are what the run was asked for.
type Settings struct {
	Connections     int     `json:"connections"`
	Rate            float64 `json:"rate"`
	Size            int     `json:"size"`
	InFlight        int     `json:"inFlight"`
	Processes       int     `json:"processes"`
	Loops           int     `json:"loops"`
	WarmupSeconds   float64 `json:"warmupSeconds"`
	DurationSeconds float64 `json:"durationSeconds"`
}

// Connections are what became of them.
type Connections struct {
	Opened      int64            `json:"opened"`
	Failed      int64            `json:"failed"`
	Lost        int64            `json:"lost"`
	Failures    map[string]int64 `json:"failures,omitempty"`
	Losses      map[string]int64 `json:"losses,omitempty"`
	OpenSeconds float64          `json:"openSeconds"`
	PerSecond   float64          `json:"perSecond"`
	Pings       int64            `json:"pings"`   // of the server
	Checked     int64            `json:"checked"` // by a ping at the end
	Alive       int64            `json:"alive"`   // of those
}

// Messages are those of the measured time: messages and replies, pushes and deliveries, requests and answers.
type Messages struct {
	Seconds    float64          `json:"seconds"`
	Sent       int64            `json:"sent"`
	Received   int64            `json:"received"`
	PerSecond  float64          `json:"perSecond"` // received
	Unanswered int64            `json:"unanswered"`
	Unsent     int64            `json:"unsent"`
	Unexpected int64            `json:"unexpected"`
	Statuses   map[string]int64 `json:"statuses,omitempty"`
}

// Latency are figures of a histogram, in microseconds, with the histogram as HdrHistogram's tools read it.
type Latency struct {
	Count     int64          `json:"count"`
	Min       float64        `json:"min"`
	Mean      float64        `json:"mean"`
	P50       float64        `json:"p50"`
	P90       float64        `json:"p90"`
	P99       float64        `json:"p99"`
	P999      float64        `json:"p999"`
	Max       float64        `json:"max"`
	Histogram load.Histogram `json:"histogram"`
}

// CPU is the CPU time of processes during the measured time.
type CPU struct {
	UserSeconds      float64 `json:"userSeconds"`
	SystemSeconds    float64 `json:"systemSeconds"`
	Cores            float64 `json:"cores"`
	MicrosPerMessage float64 `json:"microsPerMessage"`
	RSSBytes         int64   `json:"rssBytes"` // at the end
}

// Memory is memory with so many connections: the server's own, and that of all TCP sockets of the machine, the
// generator's included.
type Memory struct {
	Connections int     `json:"connections"`
	RSSBytes    float64 `json:"rssBytes"`
	TCPBytes    float64 `json:"tcpBytes"`
}

func newReport(c *Config) *Report {
	j := &c.Job
	var urls []string
	for _, text := range j.URLs {
		if u, err := url.Parse(text); err == nil { // Run has read the first
			urls = append(urls, u.Redacted())
		}
	}
	return &Report{Scenario: j.Scenario, URLs: urls, Corrected: j.Rate > 0, Settings: Settings{
		Connections: j.Connections, Rate: j.Rate, Size: j.Size, InFlight: j.MostInFlight(), Processes: c.processes(), Loops: c.loops(),
		WarmupSeconds: j.Warmup.Seconds(), DurationSeconds: j.Duration.Seconds(),
	}}
}

func (r *Report) opened(n int, took time.Duration) {
	r.Connections.OpenSeconds += took.Seconds()
	r.Connections.PerSecond = float64(n) / r.Connections.OpenSeconds
}

func (r *Report) memory(connections int, s sample) {
	if s.server.RSS == 0 {
		return
	}
	r.Memory = append(r.Memory, Memory{connections, float64(s.server.RSS), float64(s.tcp)})
	if first, n := r.Memory[0], connections-r.Memory[0].Connections; n > 0 {
		r.Slope = &Memory{n, (float64(s.server.RSS) - first.RSSBytes) / float64(n), (float64(s.tcp) - first.TCPBytes) / float64(n)}
	}
}

// used takes the CPU time between two samples.
func (r *Report) used(before, after sample) {
	seconds := after.at.Sub(before.at).Seconds()
	r.Generator = cpu(before.generator, after.generator, seconds)
	r.Server = cpu(before.server, after.server, seconds)
}

func cpu(before, after Usage, seconds float64) *CPU {
	if after.RSS == 0 || seconds <= 0 {
		return nil
	}
	user, system := (after.User - before.User).Seconds(), (after.System - before.System).Seconds()
	return &CPU{UserSeconds: user, SystemSeconds: system, Cores: (user + system) / seconds, RSSBytes: after.RSS}
}

// take fills in what the workers saw.
func (r *Report) take(t *load.Tally, stopped bool) {
	r.Stopped = stopped
	c := &r.Connections
	c.Opened, c.Failed, c.Lost, c.Failures, c.Losses = t.Opened, t.Failed, t.Lost, t.Failures, t.Losses
	c.Pings, c.Checked, c.Alive = t.Pings, t.Checked, t.Alive
	seconds := t.Measured.Seconds()
	r.Messages = Messages{
		Seconds: seconds, Sent: t.Sent, Received: t.Received, Unanswered: t.Unanswered, Unsent: t.Unsent,
		Unexpected: t.Unexpected, Statuses: t.Statuses,
	}
	if seconds > 0 {
		r.Messages.PerSecond = float64(t.Received) / seconds
	}
	for _, use := range []*CPU{r.Server, r.Generator} {
		if use != nil && t.Received > 0 {
			use.MicrosPerMessage = (use.UserSeconds + use.SystemSeconds) * 1e6 / float64(t.Received)
		}
	}
	r.Latency, r.Service, r.Handshake = latency(t.Latency), latency(t.Service), latency(t.Handshake)
	r.Call, r.Last = latency(t.Call), latency(t.Last)
	if !r.Corrected {
		r.Service = nil // the same
	}
	r.warn()
}

func latency(h load.Histogram) *Latency {
	if h.Count() == 0 {
		return nil
	}
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return &Latency{
		Count: h.Count(), Min: micros(h.At(0)), Mean: micros(h.Mean()), P50: micros(h.At(0.5)), P90: micros(h.At(0.9)),
		P99: micros(h.At(0.99)), P999: micros(h.At(0.999)), Max: micros(h.At(1)), Histogram: h,
	}
}

// busy is the part of a loop's core from which on the generator itself bounds the rate.
const busy = 0.9

// warn says what a reader of the figures must know.
func (r *Report) warn() {
	add := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	if r.Stopped {
		add("the run was stopped after %.1f s of measuring", r.Messages.Seconds)
	}
	if c := &r.Connections; c.Failed > 0 || c.Lost > 0 {
		add("%d connections failed and %d were lost", c.Failed, c.Lost)
	}
	if r.Messages.Unsent > 0 {
		add("%d messages were due and not sent, because earlier ones on their connections were unanswered or the connections lost: the latencies are of an overloaded server", r.Messages.Unsent)
	}
	if r.Messages.Unanswered > 0 && !r.Stopped {
		add("%d messages had no reply", r.Messages.Unanswered)
	}
	loops := float64(r.Settings.Processes * r.Settings.Loops)
	if g := r.Generator; g != nil && g.Cores > busy*loops {
		add("the generator used %.2f cores and may have been the limit: more --processes or --loops would show", g.Cores)
	}
	if c := &r.Connections; c.Alive < c.Checked {
		add("%d of %d connections did not answer a ping at the end", c.Checked-c.Alive, c.Checked)
	}
}
