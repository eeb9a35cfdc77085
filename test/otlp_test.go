package test

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// otlpCollector is an OpenTelemetry collector that keeps what it receives over OTLP/HTTP.
type otlpCollector struct {
	url string

	mu      sync.Mutex
	spans   []*exportedSpan
	metrics map[string]bool // names
	raw     strings.Builder // every body as it came, to look for what must not be there
	wake    chan struct{}   // closed when something comes
}

// exportedSpan is a span as the collector got it, with ids as hex text.
type exportedSpan struct {
	name, trace, id, parent, kind, service string
	failed                                 bool
	start, end                             uint64
	attributes                             map[string]string
}

func (s *exportedSpan) String() string {
	return fmt.Sprintf("%s %q %s under %q in %s %v", s.kind, s.name, s.id, s.parent, s.trace, s.attributes)
}

// traceparent is how the context of the span looks in a header (W3C Trace Context).
func (s *exportedSpan) traceparent() string { return "00-" + s.trace + "-" + s.id + "-01" }

func startCollector(t *testing.T) *otlpCollector {
	c := &otlpCollector{metrics: map[string]bool{}, wake: make(chan struct{})}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *otlpCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	switch r.URL.Path {
	case "/v1/traces":
		err = c.takeTracesLocked(body)
	case "/v1/metrics":
		err = c.takeMetricsLocked(body)
	default:
		err = fmt.Errorf("unexpected %s", r.URL.Path)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	close(c.wake)
	c.wake = make(chan struct{})
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *otlpCollector) takeTracesLocked(body []byte) error {
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		return err
	}
	for _, resource := range request.ResourceSpans {
		service := attributesOf(resource.Resource.Attributes)["service.name"]
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, &exportedSpan{
					name: s.Name, trace: hex.EncodeToString(s.TraceId), id: hex.EncodeToString(s.SpanId),
					parent: hex.EncodeToString(s.ParentSpanId), kind: strings.ToLower(strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_")),
					service: service, failed: s.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR,
					start: s.StartTimeUnixNano, end: s.EndTimeUnixNano, attributes: attributesOf(s.Attributes),
				})
			}
		}
	}
	return nil
}

func (c *otlpCollector) takeMetricsLocked(body []byte) error {
	var request metrics.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		return err
	}
	for _, resource := range request.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				c.metrics[m.Name] = true
			}
		}
	}
	return nil
}

func attributesOf(kvs []*common.KeyValue) map[string]string {
	m := make(map[string]string, len(kvs))
	for _, kv := range kvs {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[kv.Key] = fmt.Sprint(v.IntValue)
		default:
			m[kv.Key] = kv.Value.String()
		}
	}
	return m
}

// await waits until a span of that name has come, and returns it; the ones before are those that a test saw already.
func (c *otlpCollector) await(t *testing.T, kind, name string) *exportedSpan {
	t.Helper()
	var found *exportedSpan
	c.until(t, kind+" span "+name, func() bool {
		i := slices.IndexFunc(c.spans, func(s *exportedSpan) bool { return s.kind == kind && s.name == name })
		if i >= 0 {
			found = c.spans[i]
		}
		return i >= 0
	})
	return found
}

// until waits until done says so, with the lock held.
func (c *otlpCollector) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.After(patience)
	for {
		c.mu.Lock()
		ok, wake := done(), c.wake
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-wake:
		case <-limit:
			t.Fatalf("%s did not come; what came:\n%s", what, c)
		}
	}
}

// tree draws the trace that a span belongs to: a line each, indented below its parent, in the order of their starts. Only
// what was exported is there, so wait for the last span before.
func (c *otlpCollector) tree(traceID string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := map[string]bool{}
	children := map[string][]*exportedSpan{}
	for _, s := range c.spans {
		known[s.id] = true
	}
	for _, s := range c.spans {
		if s.trace == traceID {
			parent := s.parent
			if !known[parent] {
				parent = ""
			}
			children[parent] = append(children[parent], s)
		}
	}
	var out strings.Builder
	var draw func(parent, indent string)
	draw = func(parent, indent string) {
		slices.SortFunc(children[parent], func(a, b *exportedSpan) int { return cmp.Compare(a.start, b.start) })
		for _, s := range children[parent] {
			fmt.Fprintf(&out, "%s%s: %s\n", indent, s.kind, s.name)
			draw(s.id, indent+"  ")
		}
	}
	draw("", "")
	return out.String()
}

func (c *otlpCollector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out strings.Builder
	for _, s := range c.spans {
		fmt.Fprintln(&out, s)
	}
	fmt.Fprintln(&out, slices.Sorted(maps.Keys(c.metrics)))
	return out.String()
}
