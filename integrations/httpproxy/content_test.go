package httpproxy_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

func TestBinary(t *testing.T) {
	r := recorder{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, "text all the same")
	}}
	ev := message("\xff\x00")
	ev.Binary = true
	if reply := r.mustCall(t, gateway.Integration{URI: "/"}, webSocket("send", true), ev); !reply.Binary {
		t.Error("an octet stream became a text frame")
	}
	if got := r.last.Header.Get("Content-Type"); got != "application/octet-stream" || r.last.body != "\xff\x00" {
		t.Errorf("backend got %s %q", got, r.last.body)
	}
	r.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\xff") }
	if reply := r.mustCall(t, gateway.Integration{URI: "/"}, webSocket("send", true), message("x")); !reply.Binary {
		t.Error("bytes that are no UTF-8 became a text frame")
	}
}

// TestContentHandling: messages are converted before the call (contract/websocket-api.md §7.8).
func TestContentHandling(t *testing.T) {
	bytes := message("\xff\x00")
	bytes.Binary = true
	for name, test := range map[string]struct {
		how         gateway.ContentHandling
		ev          *gateway.Event
		body, typed string
	}{
		"to binary":       {gateway.ConvertToBinary, message("/wA="), "\xff\x00", "application/octet-stream"},
		"to text":         {gateway.ConvertToText, bytes, "/wA=", "application/json"},
		"not at $connect": {gateway.ConvertToBinary, connect(), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := recorder{}
			r.mustCall(t, gateway.Integration{URI: "/", ContentHandling: test.how}, webSocket("send", true), test.ev)
			if got := r.last.Header.Get("Content-Type"); r.last.body != test.body || got != test.typed {
				t.Errorf("the backend got %q of type %q", r.last.body, got)
			}
		})
	}
	r := recorder{}
	if _, err := r.call(t, gateway.Integration{URI: "/", ContentHandling: gateway.ConvertToBinary}, webSocket("send", true), message("?")); gateway.ErrorCode(err) != gateway.CodeIntegration || r.last.Request != nil {
		t.Errorf("no base64: error %v, and the backend was called with %q", err, r.last.body)
	}
}
