package telemetry

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// maxSeries bounds the series of one instrument. They are as many as definitions have routes, times a few outcomes, so
// only a mistake of ours reaches it; the SDK's default of 2,000 would melt the routes of a large node into one series.
const maxSeries = 20_000

// durationViews give the histograms their buckets, in seconds; the SDK's default ones are made for milliseconds.
func durationViews() []sdkmetric.View {
	return []sdkmetric.View{
		// As the semantic conventions for HTTP advise, so that dashboards made for others fit.
		durationView("http.*.duration", 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
		// Ours reach from a backend beside us, which answers within a millisecond, to the longest time-outs of
		// 29 and 30 s (contract/http-api.md §1.10).
		durationView("sallyport.*.duration", 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
	}
}

func durationView(names string, bounds ...float64) sdkmetric.View {
	return sdkmetric.NewView(
		sdkmetric.Instrument{Name: names, Kind: sdkmetric.InstrumentKindHistogram, Unit: "s"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: bounds}},
	)
}

func (t *Telemetry) startMetrics(ctx context.Context, kind exporter, res *resource.Resource) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// Which package counted says nothing to who reads a dashboard.
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return fmt.Errorf("prometheus metrics: %w", err)
	}
	options := []sdkmetric.Option{
		sdkmetric.WithReader(reader), sdkmetric.WithResource(res), sdkmetric.WithView(durationViews()...),
		sdkmetric.WithCardinalityLimit(maxSeries),
	}
	if kind == exporterOTLP {
		exp, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return fmt.Errorf("OTEL_METRICS_EXPORTER=otlp: %w", err)
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exp)))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.MeterProvider = provider
	t.Handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	t.stops = append(t.stops, provider.Shutdown)
	return nil
}
