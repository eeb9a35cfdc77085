package edge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

const (
	callerTrace = "0af7651916cd43dd8448eb211c80319c"
	callerSpan  = "b7ad6b7169203331"
)

func TestServerSpan(t *testing.T) {
	for _, test := range []struct {
		name, method, url, traceparent string
		err                            error
		span                           string
		parent                         string
		status                         codes.Code
		want                           map[string]string
	}{
		{"continued", "GET", "http://shop.localhost:81/dev/pets/1?token=x", "00-" + callerTrace + "-" + callerSpan + "-01", nil,
			"GET /pets/{id}", callerSpan, codes.Unset, map[string]string{
				"http.request.method": "GET", "http.route": "/pets/{id}", "http.response.status_code": "200", "url.path": "/dev/pets/1",
				"url.scheme": "http", "server.address": "shop.localhost", "server.port": "81", "client.address": "192.0.2.1",
				"network.protocol.version": "1.1", "sallyport.api": "shop", "sallyport.stage": "dev", "sallyport.route": "GET /pets/{id}",
			}},
		{"junk traceparent", "BREW", "http://any/store/x", "00-zz-" + callerSpan + "-01", gateway.Errorf(gateway.CodeTimeout, "late"),
			"HTTP $default", "0000000000000000", codes.Error, map[string]string{
				"http.request.method": "_OTHER", "http.request.method_original": "BREW", "http.route": "$default",
				"http.response.status_code": "503", "url.path": "/store/x", "url.scheme": "http", "server.address": "any",
				"client.address": "192.0.2.1", "network.protocol.version": "1.1", "sallyport.api": "store", "sallyport.stage": "$default",
				"sallyport.route": "$default", "error.type": "timeout",
			}},
		{"no route", "GET", "http://nobody/", "", nil, "GET", "0000000000000000", codes.Unset, map[string]string{
			"http.request.method": "GET", "http.response.status_code": "403", "url.path": "/", "url.scheme": "http", "server.address": "nobody",
			"client.address": "192.0.2.1", "network.protocol.version": "1.1", "error.type": "forbidden",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			recorder := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
			var invoked trace.SpanContext
			front := newHTTPFront(httpConfig{Live: shop(t), TracerProvider: provider,
				Invoker: gateway.InvokerFunc(func(ctx context.Context, _ *gateway.Event) (*gateway.Reply, error) {
					invoked = trace.SpanContextFromContext(ctx)
					return &gateway.Reply{}, test.err
				})})
			r := httptest.NewRequest(test.method, test.url, nil)
			if test.traceparent != "" {
				r.Header.Set("traceparent", test.traceparent)
			}
			front.ServeHTTP(httptest.NewRecorder(), r)

			spans := recorder.Ended()
			if len(spans) != 1 {
				t.Fatalf("%d spans", len(spans))
			}
			span := spans[0]
			if span.Name() != test.span || span.SpanKind() != trace.SpanKindServer || span.Status().Code != test.status {
				t.Errorf("span %q %v %v", span.Name(), span.SpanKind(), span.Status())
			}
			if got := span.Parent().SpanID().String(); got != test.parent {
				t.Errorf("parent %s, want %s", got, test.parent)
			}
			if test.name != "no route" && !invoked.Equal(span.SpanContext()) {
				t.Errorf("the invoker was in %v", invoked)
			}
			got := map[string]string{}
			for _, a := range span.Attributes() {
				got[string(a.Key)] = a.Value.String()
			}
			if len(got[string(attrRequest)]) != 16 {
				t.Errorf("%s %q is no id", attrRequest, got[string(attrRequest)])
			}
			delete(got, string(attrRequest))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCallbackSpan(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	world := newCallbackWorld(t)
	world.cfg.TracerProvider = provider
	r := httptest.NewRequest(http.MethodDelete, "http://any/chat/dev/@connections/"+string(world.local), nil)
	r.Header.Set("Traceparent", "00-"+callerTrace+"-"+callerSpan+"-01")
	newCallbacks(world.cfg).ServeHTTP(httptest.NewRecorder(), r)
	spans := recorder.Ended()
	if len(spans) != 1 || spans[0].Name() != "DELETE /@connections/{connectionId}" || spans[0].SpanContext().TraceID().String() != callerTrace {
		t.Errorf("spans %v", spans)
	}
}
