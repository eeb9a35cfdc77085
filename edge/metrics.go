package edge

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sallyport/sallyport/gateway"
)

// scope names this package in telemetry.
const scope = "github.com/sallyport/sallyport/edge"

// direction says which way a message goes.
type direction string

const (
	directionIn  direction = "in"
	directionOut direction = "out"
)

// metrics counts what the edge does. All methods may be called on nil, which counts nothing.
type metrics struct {
	connections metric.Int64UpDownCounter
	handshakes  metric.Int64Counter
	messages    metric.Int64Counter
	failures    metric.Int64Counter
	latency     metric.Float64Histogram
	callbacks   metric.Int64Counter
	fullQueues  metric.Int64Counter
	requests    metric.Float64Histogram
	integration metric.Float64Histogram

	mu   sync.RWMutex // guards sets
	sets map[labels]options
}

// labels are the attributes of a measurement. Their values come from definitions and from our own constants, never from
// clients, so the number of sets is bounded by what was deployed.
type labels struct {
	api    gateway.APIID
	stage  gateway.StageName
	route  gateway.RouteKey
	which  string // direction, callback method or HTTP method
	result string // gateway.Code, or a status
}

// options are labels made ready, so that measuring allocates nothing.
type options struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

// The attribute names. http.* and error.type are OpenTelemetry's, the others ours.
const (
	attrAPI    = attribute.Key("sallyport.api")
	attrStage  = attribute.Key("sallyport.stage")
	attrRoute  = attribute.Key("sallyport.route")
	attrWhich  = attribute.Key("sallyport.operation")
	attrResult = attribute.Key("error.type")
	attrStatus = attribute.Key("http.response.status_code")
)

// newMetrics makes the instruments; a nil provider gives nil metrics.
func newMetrics(p metric.MeterProvider) (*metrics, error) {
	if p == nil {
		return nil, nil //nolint:nilnil // nil metrics count nothing
	}
	m := &metrics{sets: make(map[labels]options)}
	meter := p.Meter(scope)
	var errs [9]error
	m.connections, errs[0] = meter.Int64UpDownCounter("sallyport.connections",
		metric.WithUnit("{connection}"), metric.WithDescription("Open WebSocket connections."))
	m.handshakes, errs[1] = meter.Int64Counter("sallyport.handshakes",
		metric.WithUnit("{handshake}"), metric.WithDescription("WebSocket handshakes by the status they were answered with."))
	m.messages, errs[2] = meter.Int64Counter("sallyport.messages",
		metric.WithUnit("{message}"), metric.WithDescription("WebSocket messages from and to clients."))
	m.failures, errs[3] = meter.Int64Counter("sallyport.message.failures",
		metric.WithUnit("{message}"), metric.WithDescription("Messages that no route took or whose event failed."))
	m.latency, errs[4] = meter.Float64Histogram("sallyport.event.duration",
		metric.WithUnit("s"), metric.WithDescription("From an event's arrival at the edge to its answer."))
	m.callbacks, errs[5] = meter.Int64Counter("sallyport.callbacks",
		metric.WithUnit("{call}"), metric.WithDescription("Calls of the @connections API for connections of this edge."))
	m.fullQueues, errs[6] = meter.Int64Counter("sallyport.send_queue.full",
		metric.WithUnit("{connection}"), metric.WithDescription("Times that a client's send queue became full."))
	m.requests, errs[7] = meter.Float64Histogram("http.server.request.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of HTTP requests."))
	m.integration, errs[8] = meter.Float64Histogram("sallyport.integration.duration",
		metric.WithUnit("s"), metric.WithDescription("From a request's event to its reply, as the edge sees it."))
	return m, errors.Join(errs[:]...)
}

// with returns the options of l, made once.
func (m *metrics) with(l labels) options {
	m.mu.RLock()
	o, ok := m.sets[l]
	m.mu.RUnlock()
	if ok {
		return o
	}
	set := metric.WithAttributeSet(l.set())
	o = options{add: []metric.AddOption{set}, record: []metric.RecordOption{set}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets[l] = o
	return o
}

func (l labels) set() attribute.Set {
	kvs := []attribute.KeyValue{attrAPI.String(string(l.api)), attrStage.String(string(l.stage))}
	if l.route != "" {
		kvs = append(kvs, attrRoute.String(string(l.route)))
	}
	if l.which != "" {
		kvs = append(kvs, attrWhich.String(l.which))
	}
	if status, err := strconv.Atoi(l.result); err == nil {
		kvs = append(kvs, attrStatus.Int(status))
	} else if l.result != "" {
		kvs = append(kvs, attrResult.String(l.result))
	}
	return attribute.NewSet(kvs...)
}

func (m *metrics) connection(api gateway.APIID, stage gateway.StageName, change int64) {
	if m != nil {
		m.connections.Add(context.Background(), change, m.with(labels{api: api, stage: stage}).add...)
	}
}

func (m *metrics) handshake(api gateway.APIID, stage gateway.StageName, status int) {
	if m == nil {
		return
	}
	if status < http.StatusContinue || status > 599 { // a backend's own status is passed on, but bounded
		status = http.StatusBadGateway
	}
	l := labels{api: api, stage: stage, result: strconv.Itoa(status)}
	m.handshakes.Add(context.Background(), 1, m.with(l).add...)
}

// message counts one message of a route.
func (m *metrics) message(api gateway.APIID, stage gateway.StageName, route gateway.RouteKey, d direction) {
	if m != nil {
		l := labels{api: api, stage: stage, route: route, which: string(d)}
		m.messages.Add(context.Background(), 1, m.with(l).add...)
	}
}

func (m *metrics) refused(api gateway.APIID, stage gateway.StageName, err error) {
	if m != nil {
		l := labels{api: api, stage: stage, result: string(gateway.ErrorCode(err))}
		m.failures.Add(context.Background(), 1, m.with(l).add...)
	}
}

// answered measures an event whose answer is known.
func (m *metrics) answered(ev *gateway.Event, took time.Duration, err error) {
	if m != nil {
		l := labels{api: ev.API, stage: ev.Stage, route: ev.Route, result: string(gateway.ErrorCode(err))}
		m.latency.Record(context.Background(), took.Seconds(), m.with(l).record...)
	}
}

func (m *metrics) callback(api gateway.APIID, stage gateway.StageName, method string, code gateway.Code) {
	if m != nil {
		l := labels{api: api, stage: stage, which: method, result: string(code)}
		m.callbacks.Add(context.Background(), 1, m.with(l).add...)
	}
}

func (m *metrics) queueFull(api gateway.APIID, stage gateway.StageName) {
	if m != nil {
		m.fullQueues.Add(context.Background(), 1, m.with(labels{api: api, stage: stage}).add...)
	}
}

// request measures one HTTP request.
func (m *metrics) request(ctx context.Context, r httpMeasure) {
	if m == nil {
		return
	}
	rec := &r.Record
	l := labels{api: rec.API, stage: rec.Stage, route: rec.Route, which: r.Method, result: strconv.Itoa(rec.Status)}
	m.requests.Record(ctx, rec.Latency.Seconds(), m.with(l).record...)
	if r.Integration > 0 {
		m.integration.Record(ctx, r.Integration.Seconds(), m.with(labels{api: rec.API, stage: rec.Stage, route: rec.Route}).record...)
	}
}
