package event

import (
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// Kind is an event's kind in words, as in eventType.
type Kind string

// The kinds. KindCallback is a call of the @connections API; it appears in Records alone.
const (
	KindConnect    Kind = "CONNECT"
	KindMessage    Kind = "MESSAGE"
	KindDisconnect Kind = "DISCONNECT"
	KindRequest    Kind = "REQUEST"
	KindCallback   Kind = "CALLBACK"
)

// KindOf returns the word for k.
func KindOf(k gateway.EventKind) Kind { return Kind(k.String()) }

// Record is what became of one event: what `dev` prints, and what `tail` receives from the tap subjects as JSON.
// It holds no bodies and no headers.
type Record struct {
	// Time is when the event arrived.
	Time  time.Time         `json:"time"`
	API   gateway.APIID     `json:"api,omitempty"`
	Stage gateway.StageName `json:"stage,omitempty"`
	// Route is empty when no route took the event.
	Route      gateway.RouteKey     `json:"route,omitempty"`
	Kind       Kind                 `json:"kind"`
	Connection gateway.ConnectionID `json:"connectionId,omitempty"`
	Request    gateway.RequestID    `json:"requestId,omitempty"`
	Method     string               `json:"method,omitempty"`
	Path       string               `json:"path,omitempty"`
	// Status is the HTTP status that the client got, or the reply's; the close code on DISCONNECT; 0 when there is none.
	Status int `json:"status,omitempty"`
	// Code is the failure's, empty when there was none; Error its public message.
	Code  gateway.Code `json:"code,omitempty"`
	Error string       `json:"error,omitempty"`
	// Latency is from the event's arrival to its answer. In JSON it is latencyMs, a number of milliseconds.
	Latency time.Duration `json:"-"`
	// BytesIn is the size of the client's body, BytesOut that of what went back to it.
	BytesIn  int `json:"bytesIn,omitempty"`
	BytesOut int `json:"bytesOut,omitempty"`
}

// plainRecord is Record without its methods, so that encoding it does not call them again.
type plainRecord Record

// recordJSON is the JSON form of a Record.
type recordJSON struct {
	plainRecord
	LatencyMS float64 `json:"latencyMs"`
}

// MarshalJSON writes the record with latencyMs.
func (r Record) MarshalJSON() ([]byte, error) {
	return json.Marshal(recordJSON{plainRecord(r), float64(r.Latency.Microseconds()) / microsPerMilli})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Record) UnmarshalJSON(b []byte) error {
	var j recordJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*r = Record(j.plainRecord)
	r.Latency = time.Duration(j.LatencyMS*microsPerMilli) * time.Microsecond
	return nil
}

// microsPerMilli: latencies are shown to the microsecond, which is finer than the clock noise of one hop.
const microsPerMilli = 1000
