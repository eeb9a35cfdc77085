package httpproxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/httpproxy"
)

// canned is a transport that answers at once, so that only our own work is counted.
type canned struct{}

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: 4, Body: io.NopCloser(strings.NewReader("pong")), Request: r,
	}, nil
}

// TestInvokeAllocations guards what a message costs on top of net/http: its URL is shared, its headers are a few slices,
// and nothing of the event is parsed.
func TestInvokeAllocations(t *testing.T) {
	client := backend.New(backend.Config{Transport: canned{}})
	kind, err := httpproxy.New(httpproxy.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	invoker, err := kind.Open(&gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: "http://h/send"}, webSocket("send", true))
	if err != nil {
		t.Fatal(err)
	}
	ctx, ev := t.Context(), message(`{"action":"send","text":"hello"}`)
	const most = 35
	if n := testing.AllocsPerRun(100, func() { _, _ = invoker.Invoke(ctx, ev) }); n > most {
		t.Errorf("%v allocations, want at most %d", n, most)
	} else {
		t.Logf("%v allocations", n)
	}
}
