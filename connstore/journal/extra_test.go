package journal

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

// What a connection has beside the common fields comes back, but for secrets: those never reach the store. A header may be one
// under any name, so that none is stored.
func TestExtra(t *testing.T) {
	c := &gateway.Connection{
		Caller: &gateway.Caller{APIKey: "secret-key", APIKeyID: "partner", UserARN: "arn:ann"},
		Handshake: &gateway.Handshake{
			Header: gateway.Header{"x-api-key": {"secret-key"}, "authorization": {"Bearer secret"}, "X-Auth-Token": {"secret"}}, Query: "room=1",
		},
	}
	text := extraOf(c)
	if bytes.Contains(text, []byte("secret")) || bytes.Contains(text, []byte("X-Auth-Token")) {
		t.Errorf("a secret is stored: %s", text)
	}
	if c.Caller.APIKey == "" || len(c.Handshake.Header) != 3 {
		t.Errorf("the connection itself was changed: %+v", c)
	}
	stored := *c
	stored.ID, stored.API, stored.Stage = "AbC_0123456789x=", "chat", "dev"
	record := appendOpen(nil, &stored)
	if len(record) != openSize(&stored) {
		t.Errorf("%d bytes, announced were %d", len(record), openSize(&stored))
	}
	r := reader{s: string(record[1:])}
	got, err := decodeBody(opOpen, []byte(r.str()))
	if err != nil {
		t.Fatal(err)
	}
	want := gateway.Connection{
		ID: stored.ID, API: "chat", Stage: "dev", ConnectedAt: got.conn.ConnectedAt,
		Caller:    &gateway.Caller{APIKeyID: "partner", UserARN: "arn:ann"},
		Handshake: &gateway.Handshake{Query: "room=1"},
	}
	if diff := cmp.Diff(want, got.conn); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Headers alone are nothing to store.
	if text := extraOf(&gateway.Connection{Caller: &gateway.Caller{APIKey: "secret"}, Handshake: &gateway.Handshake{Header: c.Handshake.Header}}); text != nil {
		t.Errorf("stored is %s", text)
	}
}

// A connection whose extra part is damaged is still told of its end; that it lost something is logged, once however many did.
func TestDamagedExtra(t *testing.T) {
	log := new(captured)
	s, nc := one(t, func(c *Config) { c.Logger = logTo(log) })
	j := claimed(t, s, "n1")
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var want []gateway.ConnectionID
	for i, more := range []string{`{"caller":`, `[]`, `{"handshake":7}`, ``, `{"caller":{"apiKeyId":"partner"}}`, "cut off"} {
		c := newConn(j.edge)
		record := appendOpen(nil, c)
		r := reader{s: string(record[1:])}
		body := appendStr([]byte(r.str()), more)
		if more == "cut off" {
			body = body[:len(body)-1]
		}
		message := append(appendHeader(nil, kindBatch, uint64(i)), byte(opOpen))
		message = append(binary.AppendUvarint(message, uint64(len(body))), body...)
		if _, err := js.Publish(deadline(t), "sallyport.@journal.%."+string(j.edge), message); err != nil {
			t.Fatal(err)
		}
		want = append(want, c.ID)
	}
	_ = s.Close()
	next := openStore(t, nc, func(c *Config) { c.Logger = logTo(log) })
	o, err := next.TakeOver(deadline(t), j.edge, "n1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[gateway.ConnectionID]string{}
	for _, c := range o.Connections {
		got[c.ID] = ""
		if c.Caller != nil {
			got[c.ID] = c.Caller.APIKeyID
		}
	}
	for i, id := range want {
		key, found := got[id]
		if !found || (key == "partner") != (i == 4) {
			t.Errorf("record %d: found %t, caller %q", i, found, key)
		}
	}
	text := strings.Join(log.lines(), "")
	if o.Skipped != 0 || strings.Count(text, "have lost who their caller was") != 1 || !strings.Contains(text, "connections=4") {
		t.Errorf("%d skipped; the log says\n%s", o.Skipped, text)
	}
}
