package backend

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

// The headers that the gateway adds to its calls (contract/websocket-api.md §7.3).
const (
	headerAPIID     = "X-Amzn-Apigateway-Api-Id"
	headerTraceID   = "X-Amzn-Trace-Id"
	headerUserAgent = "User-Agent"
)

// Identify adds what tells a backend which API calls it: the API's id, and what Trace adds.
func Identify(ctx context.Context, h http.Header, api gateway.APIID) {
	h[headerAPIID] = []string{string(api)}
	Trace(ctx, h, api)
}

// Trace adds a user agent and a trace id, unless the client or a mapping gave one: all that services of AWS get
// (contract/rest-api.md §8.2).
func Trace(ctx context.Context, h http.Header, api gateway.APIID) {
	if len(h[headerUserAgent]) == 0 {
		h[headerUserAgent] = []string{"AmazonAPIGateway_" + string(api)}
	}
	if len(h[headerTraceID]) == 0 {
		h[headerTraceID] = []string{traceID(ctx)}
	}
}

// traceID returns X-Ray's form of the trace that ctx carries, or of a new one: "Root=1-" and 8 and 24 hex digits.
func traceID(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		id := span.TraceID().String()
		return "Root=1-" + id[:8] + "-" + id[8:]
	}
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	return fmt.Sprintf("Root=1-%08x-%s", uint32(time.Now().Unix()), hex.EncodeToString(random[:]))
}
