package integrations

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/sallyport/sallyport/gateway"
)

const (
	scope = "github.com/sallyport/sallyport/integrations"

	attributeAPI   = attribute.Key("sallyport.api")
	attributeStage = attribute.Key("sallyport.stage")
	attributeRoute = attribute.Key("sallyport.route")
	attributeType  = attribute.Key("sallyport.integration.type")

	// errorClient and errorServer are the error.type of a backend's own refusal; that of a failed call is a gateway.Code.
	errorClient = "4xx"
	errorServer = "5xx"
)

// newDuration makes the one instrument: IntegrationLatency, and by its error.type IntegrationError and ExecutionError, of
// contract/websocket-api.md §12. internal/telemetry gives it its buckets.
func newDuration(p metric.MeterProvider) (metric.Float64Histogram, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	return p.Meter(scope).Float64Histogram("sallyport.integration.duration", metric.WithUnit("s"),
		metric.WithDescription("From handing an event to its integration until the answer or failure."))
}

// recorder counts the events of one route. What it adds to a success is put together once, in Swap.
type recorder struct {
	duration   metric.Float64Histogram
	attributes []attribute.KeyValue
	success    []metric.RecordOption
}

func newRecorder(duration metric.Float64Histogram, r Route, t gateway.IntegrationType) recorder {
	attributes := []attribute.KeyValue{
		attributeAPI.String(string(r.API)), attributeStage.String(string(r.Stage)),
		attributeRoute.String(string(r.Key)), attributeType.String(string(t)),
	}
	return recorder{
		duration: duration, attributes: attributes,
		success: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attributes...))},
	}
}

func (r *recorder) record(ctx context.Context, took time.Duration, reply *gateway.Reply, err error) {
	kind := ""
	switch {
	case err != nil:
		kind = string(gateway.ErrorCode(err))
	case reply.Status >= http.StatusInternalServerError:
		kind = errorServer
	case reply.Status >= http.StatusBadRequest:
		kind = errorClient
	default:
		r.duration.Record(ctx, took.Seconds(), r.success...)
		return
	}
	attributes := append(r.attributes[:len(r.attributes):len(r.attributes)], semconv.ErrorTypeKey.String(kind))
	r.duration.Record(ctx, took.Seconds(), metric.WithAttributes(attributes...))
}
