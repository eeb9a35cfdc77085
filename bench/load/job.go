package load

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Scenario is what a run does.
type Scenario string

// The scenarios.
const (
	Connect Scenario = "connect" // open and close connections
	Idle    Scenario = "idle"    // hold them
	Echo    Scenario = "echo"    // send messages, each for one reply
	Push    Scenario = "push"    // cause messages from outside, by HTTP or NATS
	Fanout  Scenario = "fanout"  // one cause, one message for each connection
	Request Scenario = "http"    // HTTP requests
)

// Job is the work of one worker, and what all workers of the run have in common.
type Job struct {
	Scenario Scenario `json:"scenario"`
	// URLs take connections in turn.
	URLs     []string `json:"urls"`
	Header   []string `json:"header,omitempty"`
	Insecure bool     `json:"insecure,omitempty"`
	// Worker is this one's number among Workers. Connections and Rate are divided among them.
	Worker      int     `json:"worker"`
	Workers     int     `json:"workers"`
	Connections int     `json:"connections"`
	Rate        float64 `json:"rate"` // a second; 0: as fast as replies come
	// ConnectRate bounds handshakes a second, all workers together; 0: no bound. Handshakes bounds those that a worker has
	// under way; 0: the default.
	ConnectRate float64      `json:"connectRate"`
	Handshakes  int          `json:"handshakes"`
	Sources     []netip.Addr `json:"sources,omitempty"`

	Warmup   time.Duration `json:"warmup"`
	Duration time.Duration `json:"duration"`

	// Message is the template of messages, filled up to Size. Expect, when set, is a text that replies contain: each place
	// counts as one, and messages without it as nothing.
	Message string `json:"message"`
	Size    int    `json:"size"`
	Expect  string `json:"expect,omitempty"`
	// Hello is sent when a connection opens, and Ready is a text in the message that must come before it counts.
	Hello string `json:"hello,omitempty"`
	Ready string `json:"ready,omitempty"`
	// InFlight bounds messages under way on one connection; 0: 1, or 16 when there is a Rate.
	InFlight int `json:"inFlight"`

	// Push: IDMessage is answered with the connection's id. Callback is the URL before /@connections, by default made of
	// the connection's; NATS, when set, is published to instead, with Prefix as the first token of the subject. Callers is
	// how many HTTP connections make the calls.
	IDMessage string `json:"idMessage,omitempty"`
	Callback  string `json:"callback,omitempty"`
	NATS      string `json:"nats,omitempty"`
	NATSCreds string `json:"natsCreds,omitempty"`
	Prefix    string `json:"prefix,omitempty"`
	Callers   int    `json:"callers,omitempty"`
	// AccessKeyID, when set, and SecretAccessKey sign the calls.
	AccessKeyID     string `json:"accessKeyId,omitempty"`
	SecretAccessKey string `json:"secretAccessKey,omitempty"`
	// Deaf is how many of a hundred connections never read. They get messages, but are not counted on.
	Deaf int `json:"deaf,omitempty"`

	// Request: Method and Body.
	Method string `json:"method,omitempty"`
	Body   string `json:"body,omitempty"`
}

const (
	// maxConnections bounds a run: ten times what the largest fleet is measured with.
	maxConnections = 10_000_000
	// maxRate bounds schedules: a message each microsecond.
	maxRate = 1e6
	// maxSize bounds a message: what a Sallyport API may allow.
	maxSize = 8 << 20
	// maxInFlight bounds what a connection's bookkeeping takes.
	maxInFlight = 1 << 12
	// inFlightOpen is the default with a rate: as many as Sallyport takes from one client at once.
	inFlightOpen = 16
)

// Check says what is wrong with a job, by the names of the flags.
func (j *Job) Check() error {
	switch {
	case len(j.URLs) == 0:
		return errors.New("no URL")
	case j.Workers < 1 || j.Worker < 0 || j.Worker >= j.Workers:
		return fmt.Errorf("worker %d of %d", j.Worker, j.Workers)
	case j.Connections < 1 || j.Connections > maxConnections:
		return fmt.Errorf("--connections %d: from 1 to %d", j.Connections, maxConnections)
	case j.Rate < 0 || j.Rate > maxRate:
		return fmt.Errorf("--rate %g: from 0 to %g", j.Rate, maxRate)
	case j.Size < 0 || j.Size > maxSize:
		return fmt.Errorf("--size %d: from 0 to %d", j.Size, maxSize)
	case j.InFlight < 0 || j.InFlight > maxInFlight:
		return fmt.Errorf("--in-flight %d: from 0 to %d", j.InFlight, maxInFlight)
	case j.Duration <= 0:
		return fmt.Errorf("--duration %s: more than nothing", j.Duration)
	case j.Warmup < 0:
		return fmt.Errorf("--warmup %s: not less than nothing", j.Warmup)
	case j.Deaf < 0 || j.Deaf > 100:
		return fmt.Errorf("--deaf %d: from 0 to 100, in percent", j.Deaf)
	case j.Deaf > 0 && j.Rate == 0 && j.Scenario != Fanout:
		return errors.New("--deaf needs --rate: without it, messages follow answers")
	case j.Scenario == Request && (j.Method == "" || strings.ContainsAny(j.Method, " \t\r\n")):
		return fmt.Errorf("--method %q: a word such as GET", j.Method)
	case j.Scenario == Push && j.IDMessage == "":
		return errors.New("--id-message is empty: how does a client learn its connection's id?")
	}
	return nil
}

// share is how much of n things this worker has: those numbered Worker, Worker+Workers, and so on.
func (j *Job) share(n int) int { return (n - j.Worker + j.Workers - 1) / j.Workers }

// MostInFlight is how many messages one connection may have under way.
func (j *Job) MostInFlight() int {
	switch {
	case j.Scenario == Request || j.Scenario == Connect:
		return 1 // no pipelining
	case j.InFlight > 0:
		return j.InFlight
	case j.Rate > 0:
		return inFlightOpen
	default:
		return 1
	}
}
