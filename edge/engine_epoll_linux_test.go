package edge

import (
	"testing"
	"time"
	"unsafe"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// TestSizes keeps what an idle connection holds from growing unnoticed: these are size classes of the allocator, and a
// byte more in one of them is up to 48 bytes for each connection.
func TestSizes(t *testing.T) {
	for name, is := range map[string]struct{ size, most uintptr }{
		"socket":             {unsafe.Sizeof(socket{}), 192},
		"gateway.Connection": {unsafe.Sizeof(gateway.Connection{}), 160},
		"epollLink":          {unsafe.Sizeof(epollLink{}), 48},
	} {
		if is.size > is.most {
			t.Errorf("%s has %d bytes, want at most %d", name, is.size, is.most)
		}
	}
	shared := new(sharedTexts)
	c := &gateway.Connection{ID: gateway.NewConnectionID("EDGE"), API: "chat", Stage: "prod", DomainName: "chat.example.com", SourceIP: "203.0.113.200"}
	shared.settle(c)
	if own := len(c.ID) + len(c.SourceIP); own > 32 || unsafe.StringData(c.SourceIP) != (*byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(string(c.ID))), len(c.ID))) {
		t.Errorf("id and address are %d bytes, want at most 32, in one piece", own)
	}
}

// What many connections share gives the same context as each of them alone.
func TestContextFromPieces(t *testing.T) {
	for name, c := range map[string]*gateway.Connection{
		"plain":     {UserAgent: "curl/8"},
		"no agent":  {},
		"who it is": {UserAgent: "x\"y", Authorizer: []byte(`{"principalId":"ann"}`), Caller: &gateway.Caller{APIKeyID: "partner"}},
		"handshake": {Handshake: &gateway.Handshake{Query: "room=1"}},
	} {
		c.ID, c.API, c.Stage, c.DomainName, c.SourceIP = gateway.NewConnectionID("EDGE"), "chat", "dev", "test.local", "2001:db8::1"
		c.ConnectedAt = time.UnixMilli(1708326702789)
		want := string(event.AppendConnection(nil, c))
		texts := new(sharedTexts)
		texts.settle(c)
		k := &socket{conn: c, prefix: texts.newPrefix(c)}
		if got := string(k.appendContext(nil)); got != want || len(got) > k.contextSize() {
			t.Errorf("%s: got %s, want %s; the size says %d", name, got, want, k.contextSize())
		}
	}
}
