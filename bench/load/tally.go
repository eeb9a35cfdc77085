package load

import "time"

// Tally is what one or more workers saw. Counts of messages and the histograms are of the measured time alone.
type Tally struct {
	// Opened connections did their handshake; Failed ones did not, by cause; Lost ones ended before they were to.
	Opened   int64            `json:"opened"`
	Failed   int64            `json:"failed"`
	Lost     int64            `json:"lost"`
	Failures map[string]int64 `json:"failures,omitempty"`
	Losses   map[string]int64 `json:"losses,omitempty"`

	// Sent messages, or requests; Received replies, deliveries or answers.
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	// Unanswered messages had no reply when the run ended; Unsent ones were due, but their connection had as many under
	// way as it may, or was lost; Unexpected are messages of the server that answer nothing.
	Unanswered int64 `json:"unanswered"`
	Unsent     int64 `json:"unsent"`
	Unexpected int64 `json:"unexpected"`
	// Statuses are HTTP answers by status.
	Statuses map[string]int64 `json:"statuses,omitempty"`
	// Pings came from the server; Checked connections were pinged at the end and Alive ones answered.
	Pings   int64 `json:"pings"`
	Checked int64 `json:"checked"`
	Alive   int64 `json:"alive"`

	// Handshake is from dial to open. Latency is from when a message was due to its reply; Service from when it was
	// sent. Call is the time of an HTTP call that causes a push. Last is the lag of the last of a round's deliveries.
	Handshake Histogram `json:"handshake"`
	Latency   Histogram `json:"latency"`
	Service   Histogram `json:"service"`
	Call      Histogram `json:"call"`
	Last      Histogram `json:"last"`

	// Measured is how long the measured time was: shorter than asked when the run was stopped.
	Measured time.Duration `json:"measured"`
}

// Add adds o. The workers measured at the same time, so that the longest counts.
func (t *Tally) Add(o *Tally) {
	t.Opened += o.Opened
	t.Failed += o.Failed
	t.Lost += o.Lost
	t.Failures = addCounts(t.Failures, o.Failures)
	t.Losses = addCounts(t.Losses, o.Losses)
	t.Sent += o.Sent
	t.Received += o.Received
	t.Unanswered += o.Unanswered
	t.Unsent += o.Unsent
	t.Unexpected += o.Unexpected
	t.Statuses = addCounts(t.Statuses, o.Statuses)
	t.Pings += o.Pings
	t.Checked += o.Checked
	t.Alive += o.Alive
	t.Handshake.Add(o.Handshake)
	t.Latency.Add(o.Latency)
	t.Service.Add(o.Service)
	t.Call.Add(o.Call)
	t.Last.Add(o.Last)
	t.Measured = max(t.Measured, o.Measured)
}

func addCounts(to, from map[string]int64) map[string]int64 {
	if to == nil && len(from) > 0 {
		to = map[string]int64{}
	}
	for name, n := range from {
		to[name] += n
	}
	return to
}

// maxCauses bounds the names in a map of counts: servers choose close reasons and statuses.
const maxCauses = 64

func count(in *map[string]int64, name string) {
	if *in == nil {
		*in = map[string]int64{}
	}
	if _, known := (*in)[name]; !known && len(*in) >= maxCauses {
		name = "other"
	}
	(*in)[name]++
}
