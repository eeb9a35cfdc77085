package edge

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

const httpTracerName = "github.com/sallyport/sallyport/edge"

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
	method := commonMethod(r.Method)
	attributes := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(method),
		semconv.URLScheme("http"),
		semconv.URLPath(r.URL.Path), // not the query, which may hold tokens
		semconv.ServerAddress(withoutPort(r.Host)),
		semconv.ClientAddress(peerIP(r.RemoteAddr)),
		semconv.NetworkProtocolVersion(strings.TrimPrefix(r.Proto, "HTTP/")),
	}
	if method == otherMethod {
		attributes = append(attributes, semconv.HTTPRequestMethodOriginal(r.Method))
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			attributes = append(attributes, semconv.ServerPort(int(n)))
		}
	}
	if agent := r.UserAgent(); agent != "" {
		attributes = append(attributes, semconv.UserAgentOriginal(agent))
	}
	return tracer.Start(ctx, spanMethod(method), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
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
	if r.Route != "" {
		template := routeTemplate(r.Route)
		span.SetName(spanMethod(commonMethod(r.Method)) + " " + template)
		attributes = append(attributes, semconv.HTTPRoute(template))
	}
	if r.API != "" {
		attributes = append(attributes, attribute.String("sallyport.api", string(r.API)),
			attribute.String("sallyport.stage", string(r.Stage)))
	}
	if r.Connection != "" {
		attributes = append(attributes, attribute.String("sallyport.connection", string(r.Connection)))
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
