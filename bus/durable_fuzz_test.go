package bus

import (
	"encoding/json"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// Only a store's own word means that a message is stored.
func FuzzReadStored(f *testing.F) {
	for _, seed := range []string{
		`{"stream":"sallyport-durable","seq":1}`, `{"stream":"s","seq":2,"duplicate":true,"domain":"hub"}`, `{"stream":"s","seq":0}`, `{"seq":1}`,
		`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"s","seq":0}`, `{"error":null}`, `{}`, `ok`, ``, `[]`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := readStored(&nats.Msg{Data: data})
		if err != nil {
			if gateway.ErrorCode(err) != gateway.CodeUnavailable {
				t.Errorf("%q is %v", data, err)
			}
			return
		}
		var ack pubAck
		if json.Unmarshal(data, &ack) != nil || ack.Error != nil || ack.Stream == "" || ack.Sequence == 0 {
			t.Errorf("%q is taken for a store's word", data)
		}
	})
}

// What is parsed is built the same way again.
func FuzzParseDead(f *testing.F) {
	for _, seed := range []string{"sallyport.shop.prod.@dead.ws.order", "sallyport.shop.$default.@dead.ws.a%2Eb", "sallyport.a.b.@dead.ws.%", "sallyport.a.b.@durable.ws.c", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		s := Subjects{}
		a, err := s.ParseDead(subject)
		if err == nil && s.Dead(a.API, a.Stage, a.Route) != subject {
			t.Errorf("%q is read as %+v, which is %q", subject, a, s.Dead(a.API, a.Stage, a.Route))
		}
	})
}

// BenchmarkStore is a message from the edge into the store and its word back, 16 at a time.
func BenchmarkStore(b *testing.B) {
	conn := connect(b, startNATS(b))
	client := newClient(b, ClientConfig{Conn: conn})
	d, err := NewDurable(DurableConfig{Conn: conn})
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Ensure(b.Context()); err != nil {
		b.Fatal(err)
	}
	const under = 16
	slots, failed := make(chan struct{}, under), make(chan error, 1)
	b.ReportAllocs()
	for b.Loop() {
		slots <- struct{}{}
		client.Send(b.Context(), order(gateway.NewRequestID(), `{"action":"order"}`), func(_ *gateway.Reply, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
			<-slots
		})
	}
	for range under {
		slots <- struct{}{}
	}
	select {
	case err := <-failed:
		b.Error(err)
	default:
	}
}
