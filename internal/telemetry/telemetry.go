// Package telemetry sets up OpenTelemetry for one process from the standard OTEL_* variables.
//
// Only internal/app imports it: it hands the providers to the parts that make spans and record figures, which import
// OpenTelemetry's API alone. Metrics are always there for Prometheus, through Handler; nothing is pushed anywhere, and
// no span is made, unless a variable asks for it.
//
// One path through it: New reads OTEL_TRACES_EXPORTER, builds the exporter and a batching TracerProvider, internal/app
// gives that to edge, bus and integrations, and Shutdown flushes what is left when the process ends.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// shutdownTimeout bounds the last flush: a collector that is away must not hold up the end of the process.
const shutdownTimeout = 2 * time.Second

// Config says what New needs to know.
type Config struct {
	// Getenv reads an environment variable; required. It decides which exporters exist; the exporters themselves read
	// their OTEL_EXPORTER_* settings from the process's environment.
	Getenv func(string) string
	// Version is the service.version attribute.
	Version string
	// Node is the service.instance.id attribute.
	Node string
	// Console is where OTEL_TRACES_EXPORTER=console writes; required.
	Console io.Writer
}

// Telemetry is the process's providers.
type Telemetry struct {
	// TracerProvider is nil when no span goes anywhere, so that nobody makes any.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Handler answers Prometheus' scrapes.
	Handler http.Handler

	stops []func(context.Context) error
}

// New reads the variables and builds the providers. It connects to nothing yet; an exporter whose collector is away
// reports that to OpenTelemetry's error handler later.
func New(ctx context.Context, c Config) (*Telemetry, error) {
	kinds, err := exporters(c.Getenv)
	if err != nil {
		return nil, err
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName("sallyport"), semconv.ServiceVersion(c.Version), semconv.ServiceInstanceID(c.Node)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t := &Telemetry{}
	if err := t.startTraces(ctx, kinds.traces, res, c.Console); err != nil {
		return nil, err
	}
	if err := t.startMetrics(ctx, kinds.metrics, res); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

// Shutdown flushes and stops the exporters, within shutdownTimeout.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	var errs []error
	for _, stop := range t.stops {
		errs = append(errs, stop(ctx))
	}
	return errors.Join(errs...)
}

func (t *Telemetry) startTraces(ctx context.Context, kind exporter, res *resource.Resource, console io.Writer) error {
	var exp sdktrace.SpanExporter
	var err error
	switch kind {
	case exporterNone:
		return nil
	case exporterOTLP:
		exp, err = otlptracehttp.New(ctx)
	case exporterConsole:
		exp, err = stdouttrace.New(stdouttrace.WithWriter(console))
	}
	if err != nil {
		return fmt.Errorf("OTEL_TRACES_EXPORTER=%s: %w", kind, err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp), sdktrace.WithResource(res))
	t.TracerProvider = provider
	t.stops = append(t.stops, provider.Shutdown)
	return nil
}
