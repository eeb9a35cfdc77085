package bus

import (
	"net/textproto"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

func TestReserved(t *testing.T) {
	for name, want := range map[string]bool{"Sallyport-Context": true, "SALLYPORT-X": true, "sallyport-": true, "Nats-Trace-Dest": true,
		"nats-msg-id": true, "STATUS": true, "status": true, "Description": true, "": false, "Sallyport": false, "Nats": false, "StatusCode": false,
		"X-Status": false, "Date": false, "Server": false, "N": false} {
		if Reserved(name) != want {
			t.Error(name)
		}
	}
}

// FuzzHeaders: whatever a client or backend sends, the message can be published and acts on nothing but what it should.
func FuzzHeaders(f *testing.F) {
	f.Add("X-A", "b", uint8(200))
	f.Add("bad name", "x", uint8(0))
	f.Add("Status", "503", uint8(1))
	f.Add("nats-trace-dest", "evil", uint8(2))
	f.Add("X-é", "\r\nX: y", uint8(3))
	f.Add("", "", uint8(4))
	f.Fuzz(func(t *testing.T, name, value string, status uint8) {
		ev := &gateway.Event{Header: gateway.Header{name: {value, "ok"}}, Context: []byte("{}")}
		reply := &gateway.Reply{Header: ev.Header, Status: int(status) + minStatus}
		for _, h := range []nats.Header{new(envelopes).event(ev).header, replyMessage("r", reply).Header} {
			for k, values := range h {
				if k == HeaderContext || k == HeaderStatus {
					continue
				}
				if k != name || Reserved(k) || textproto.TrimString(k) != k || strings.ContainsAny(k, " :\r\n") {
					t.Fatalf("%q passed", k)
				}
				for _, v := range values {
					if strings.ContainsAny(v, "\r\n\x00") {
						t.Fatalf("value %q passed", v)
					}
				}
			}
			c, rest := readHeader(h)
			if !c.any || len(rest) > 1 {
				t.Fatalf("%+v %v", c, rest)
			}
		}
		// From outside, unfiltered: never a panic, and a reply or an error.
		r, _, err := readReply(&nats.Msg{Header: nats.Header{name: {value}, HeaderStatus: {value}}})
		if (r == nil) == (err == nil) || r != nil && (r.Status < minStatus || r.Status > maxStatus) {
			t.Fatalf("%+v %v", r, err)
		}
	})
}
