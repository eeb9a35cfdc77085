package edge

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// otherMethod stands for methods that clients made up (OpenTelemetry semantic conventions for HTTP).
const otherMethod = "_OTHER"

// firstServerError: only statuses from here on are the server's failure, and so the span's.
const firstServerError = 500

// startServerSpan continues the trace that the caller sent, or begins one. Without a tracer it returns a span that records
// nothing, and r's own context.
func startServerSpan(r *http.Request, tracer trace.Tracer) (context.Context, trace.Span) {
	ctx := r.Context()
	if tracer == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	return serverSpan(ctx, tracer, requestFacts{
		scheme: schemeOf(r), method: r.Method, path: r.URL.EscapedPath(), host: r.Host, proto: r.Proto, peer: r.RemoteAddr, agent: r.UserAgent(),
	})
}

// requestFacts are what a span says of a request before anything is known of its route.
type requestFacts struct {
	scheme, method, proto, agent string
	path                         string // as the client wrote it, without the query, which may hold tokens
	host, peer                   string // with their ports, if they have one
	arrived                      time.Time
}

// serverSpan starts the span of a request that arrived now, or then.
func serverSpan(ctx context.Context, tracer trace.Tracer, r requestFacts) (context.Context, trace.Span) {
	method := commonMethod(r.method)
	attributes := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(method),
		semconv.URLScheme(r.scheme),
		semconv.URLPath(r.path),
		semconv.ServerAddress(router.WithoutPort(r.host)),
		semconv.ClientAddress(peerIP(r.peer)),
		semconv.NetworkProtocolVersion(strings.TrimPrefix(r.proto, "HTTP/")),
	}
	if method == otherMethod {
		attributes = append(attributes, semconv.HTTPRequestMethodOriginal(r.method))
	}
	if _, port, err := net.SplitHostPort(r.host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			attributes = append(attributes, semconv.ServerPort(int(n)))
		}
	}
	if r.agent != "" {
		attributes = append(attributes, semconv.UserAgentOriginal(r.agent))
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...)}
	if !r.arrived.IsZero() {
		options = append(options, trace.WithTimestamp(r.arrived))
	}
	return tracer.Start(ctx, spanMethod(method), options...)
}

// endServerSpan names the span after its route, when there is one, and ends it with the outcome.
func endServerSpan(span trace.Span, r *event.Record) {
	if span.IsRecording() {
		describeSpan(span, r)
	}
	span.End()
}

func describeSpan(span trace.Span, r *event.Record) {
	attributes := []attribute.KeyValue{semconv.HTTPResponseStatusCode(r.Status)}
	template := routeTemplate(r.Route)
	if r.Kind == event.KindCallback {
		template = callbackRoute
	}
	if template != "" {
		span.SetName(spanMethod(commonMethod(r.Method)) + " " + template)
		attributes = append(attributes, semconv.HTTPRoute(template))
	}
	if r.API != "" {
		attributes = append(attributes, attrAPI.String(string(r.API)), attrStage.String(string(r.Stage)))
	}
	if r.Route != "" {
		attributes = append(attributes, attrRoute.String(string(r.Route)))
	}
	if r.Connection != "" {
		attributes = append(attributes, attrConnection.String(string(r.Connection)))
	}
	if r.Request != "" {
		attributes = append(attributes, attrRequest.String(string(r.Request)))
	}
	if r.Code != "" {
		attributes = append(attributes, semconv.ErrorTypeKey.String(string(r.Code)))
	}
	if r.Status >= firstServerError {
		span.SetStatus(codes.Error, r.Error)
	}
	span.SetAttributes(attributes...)
}

// routeTemplate is the path of a route key such as "GET /pets/{id}"; $default has none and stands for itself.
func routeTemplate(key gateway.RouteKey) string {
	if _, path, ok := strings.Cut(string(key), " "); ok {
		return path
	}
	return string(key)
}

// commonMethod keeps names and labels few: what is no common method is _OTHER.
func commonMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return otherMethod
}

// spanMethod is the method in a span's name, where _OTHER is written HTTP.
func spanMethod(common string) string {
	if common == otherMethod {
		return "HTTP"
	}
	return common
}
