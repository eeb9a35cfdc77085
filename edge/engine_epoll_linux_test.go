package edge

import (
	"testing"
	"unsafe"

	"github.com/sallyport/sallyport/gateway"
)

// TestSizes keeps what an idle connection holds from growing unnoticed: these are size classes of the allocator, and a
// byte more in one of them is up to 48 bytes for each connection.
func TestSizes(t *testing.T) {
	for name, is := range map[string]struct{ size, most uintptr }{
		"socket":             {unsafe.Sizeof(socket{}), 208},
		"gateway.Connection": {unsafe.Sizeof(gateway.Connection{}), 160},
		"epollLink":          {unsafe.Sizeof(epollLink{}), 48},
	} {
		if is.size > is.most {
			t.Errorf("%s has %d bytes, want at most %d", name, is.size, is.most)
		}
	}
	shared := new(sharedTexts)
	c := &gateway.Connection{ID: gateway.NewConnectionID("EDGE"), API: "chat", Stage: "prod", DomainName: "chat.example.com", SourceIP: "203.0.113.200"}
	if own := shared.settle(c); len(own) > 112 {
		t.Errorf("the prefix's own part has %d bytes, want at most 112: %s", len(own), own)
	}
}
