package journal

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

// What a connection has beside the common fields comes back, but for secrets: those never reach the store.
func TestExtra(t *testing.T) {
	c := &gateway.Connection{
		Caller: gateway.Caller{APIKey: "secret-key", APIKeyID: "partner", UserARN: "arn:ann"},
		Handshake: &gateway.Handshake{
			Header: gateway.Header{"x-api-key": {"secret-key"}, "authorization": {"Bearer secret"}, "X-Tenant": {"acme"}}, Query: "room=1",
		},
	}
	text := extraOf(c)
	if bytes.Contains(text, []byte("secret")) {
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
		Caller:    gateway.Caller{APIKeyID: "partner", UserARN: "arn:ann"},
		Handshake: &gateway.Handshake{Header: gateway.Header{"X-Tenant": {"acme"}}, Query: "room=1"},
	}
	if diff := cmp.Diff(want.Handshake, got.conn.Handshake); diff != "" || got.conn.Caller != want.Caller {
		t.Errorf("caller %+v, handshake (-want +got):\n%s", got.conn.Caller, diff)
	}
}
