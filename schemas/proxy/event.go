package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// The payload format versions of HTTP APIs (contract/http-api.md §6.1). WebSocket events have one shape whatever the
// version says (contract/websocket-api.md §7.2).
const (
	Version1 = "1.0"
	Version2 = "2.0"
)

// Event returns the proxy event of ev as JSON. version is 1.0 or 2.0, empty for 2.0; it matters for requests alone.
// An error means that ev.Context is malformed or the version unknown.
func Event(ev *gateway.Event, version string) ([]byte, error) {
	if ev.Kind != gateway.EventRequest {
		return encodeWebSocket(ev)
	}
	switch version {
	case Version1:
		return encodeRequest1(ev)
	case Version2, "":
		return encodeRequest2(ev)
	}
	return nil, unknownVersion(version)
}

func unknownVersion(version string) error {
	return gateway.Errorf(gateway.CodeInternal, "Internal server error").
		Because(fmt.Errorf("payload format version %q is neither %s nor %s", version, Version1, Version2))
}

func readContext(ev *gateway.Event) (event.Context, error) {
	c, err := event.Parse(ev.Context)
	if err != nil {
		return c, gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(err)
	}
	return c, nil
}

// encode marshals without HTML escapes, which Amazon's events do not have.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(fmt.Errorf("proxy event: %w", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// pointer returns nil for an empty string: members that are null or left out when there is nothing to say.
func pointer(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
