package integrations

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/sallyport/sallyport/gateway"
)

const (
	scope = "github.com/sallyport/sallyport/integrations"

	// IntegrationLatency, IntegrationError and ExecutionError of contract/websocket-api.md §12.
	metricDuration = "sallyport.integration.duration"
	metricErrors   = "sallyport.integration.errors"

	attributeAPI   = attribute.Key("sallyport.api")
	attributeStage = attribute.Key("sallyport.stage")
	attributeRoute = attribute.Key("sallyport.route")
	attributeType  = attribute.Key("sallyport.integration.type")
	// attributeError is a gateway.Code when the call failed, 4xx or 5xx when the backend refused.
	attributeError = attribute.Key("error.type")
)

// durationBounds in seconds reach from a mock's answer to the longest timeout (contract/http-api.md §1.10).
func durationBounds() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30}
}

type instruments struct {
	duration metric.Float64Histogram
	errors   metric.Int64Counter
}

func newInstruments(p metric.MeterProvider) (instruments, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	meter := p.Meter(scope)
	var i instruments
	var err error
	i.duration, err = meter.Float64Histogram(metricDuration, metric.WithUnit("s"),
		metric.WithDescription("Time from handing an event to its integration until the answer or failure."),
		metric.WithExplicitBucketBoundaries(durationBounds()...))
	if err != nil {
		return instruments{}, err
	}
	i.errors, err = meter.Int64Counter(metricErrors, metric.WithUnit("{event}"),
		metric.WithDescription("Events whose integration failed (error.type: a code) or refused (4xx, 5xx)."))
	return i, err
}

// recorder counts the events of one route. Its attributes are put together once, in Swap.
type recorder struct {
	instruments
	attributes []attribute.KeyValue
	duration   []metric.RecordOption
}

func (i instruments) recorder(r Route, t gateway.IntegrationType) recorder {
	attributes := []attribute.KeyValue{
		attributeAPI.String(string(r.API)), attributeStage.String(string(r.Stage)),
		attributeRoute.String(string(r.Key)), attributeType.String(string(t)),
	}
	set := attribute.NewSet(attributes...)
	return recorder{
		instruments: i,
		attributes:  attributes,
		duration:    []metric.RecordOption{metric.WithAttributeSet(set)},
	}
}

func (r *recorder) record(ctx context.Context, took time.Duration, reply *gateway.Reply, err error) {
	r.instruments.duration.Record(ctx, took.Seconds(), r.duration...)
	kind := ""
	switch {
	case err != nil:
		kind = string(gateway.ErrorCode(err))
	case reply.Status >= http.StatusInternalServerError:
		kind = "5xx"
	case reply.Status >= http.StatusBadRequest:
		kind = "4xx"
	default:
		return
	}
	attributes := append(r.attributes[:len(r.attributes):len(r.attributes)], attributeError.String(kind))
	r.errors.Add(ctx, 1, metric.WithAttributes(attributes...))
}
