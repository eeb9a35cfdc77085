package telemetry

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestExporters(t *testing.T) {
	tests := []struct {
		name            string
		env             map[string]string
		traces, metrics exporter
		err             string
	}{
		{"nothing set", nil, exporterNone, exporterNone, ""},
		{"none", map[string]string{"OTEL_TRACES_EXPORTER": "none"}, exporterNone, exporterNone, ""},
		{"endpoint means otlp", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, exporterOTLP, exporterOTLP, ""},
		{"endpoint of one signal", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, exporterOTLP, exporterNone, ""},
		{"an exporter beats the endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none"}, exporterConsole, exporterNone, ""},
		{"disabled", map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"}, exporterNone, exporterNone, ""},
		{"unknown", map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, "", "", "OTEL_TRACES_EXPORTER=zipkin"},
		{"grpc", map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "", "only http/protobuf"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := exporters(env(test.env))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil || got.traces != test.traces || got.metrics != test.metrics {
				t.Errorf("got %+v, %v; want %s and %s", got, err, test.traces, test.metrics)
			}
		})
	}
}

func TestConsoleTracesAndPrometheus(t *testing.T) {
	var console bytes.Buffer
	tel, err := New(context.Background(), Config{Getenv: env(map[string]string{"OTEL_TRACES_EXPORTER": "console"}), Version: "1", Node: "n", Console: &console})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.TracerProvider.Tracer("test").Start(context.Background(), "a span of the test")
	span.End()
	counter, err := tel.MeterProvider.Meter("test").Int64Counter("sallyport.test.things")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(context.Background(), 3)
	histogram, err := tel.MeterProvider.Meter("test").Float64Histogram("sallyport.test.duration", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	histogram.Record(context.Background(), 0.0007)
	rec := httptest.NewRecorder()
	tel.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, _ := io.ReadAll(rec.Result().Body)
	for _, line := range []string{"sallyport_test_things_total 3", `sallyport_test_duration_seconds_bucket{le="0.001"} 1`} {
		if !strings.Contains(string(body), "\n"+line+"\n") {
			t.Errorf("%s is not in the scrape:\n%s", line, body)
		}
	}
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(console.String(), "a span of the test") {
		t.Errorf("the span was not written: %q", console.String())
	}
}

func TestNothingSetMakesNoTracer(t *testing.T) {
	tel, err := New(context.Background(), Config{Getenv: env(nil), Console: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if tel.TracerProvider != nil {
		t.Error("a tracer provider although nothing is exported")
	}
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
