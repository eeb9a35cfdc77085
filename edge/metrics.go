package edge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// scope names this package in telemetry.
const scope = "github.com/sallyport/sallyport/edge"

// direction says which way a message goes.
type direction string

const (
	directionIn  direction = "in"
	directionOut direction = "out"
)

// metrics counts what the edge does. docs/observability.md has the instruments in one table with those of the workers;
// internal/telemetry gives the histograms their buckets. All methods may be called on nil, which counts nothing.
// metrics_access.go has those of who may come in, metrics_life.go those of how connections live and end, metrics_tally.go what
// the message path counts by itself.
type metrics struct {
	connections metric.Int64UpDownCounter
	messages    *tallies
	failures    metric.Int64Counter
	latency     metric.Float64Histogram
	callbacks   *tallies
	fullQueues  metric.Int64Counter
	requests    metric.Float64Histogram
	stored      metric.Int64Counter // durable.go

	accessMetrics
	lifeMetrics

	scheme string // of all requests; set before the first

	mu   sync.RWMutex // guards sets
	sets map[labels]options

	routes   resolved[*router.Route, routeTallies]
	programs resolved[*router.Program, programTallies]
}

// labels are the attributes of a measurement; empty ones are left out. Their values come from definitions, from our own
// constants and from bounded sets such as statuses, never from clients, so what was deployed bounds their number.
type labels struct {
	api    gateway.APIID
	stage  gateway.StageName
	route  gateway.RouteKey
	family family
	which  string // what the family has beside
	status int
	code   gateway.Code
}

// family is a group of measurements with an attribute of its own.
type family uint8

const (
	familyPlain      family = iota
	familyMessage           // which is a direction
	familyCallback          // which is a callback's method
	familyRequest           // which is a common HTTP method
	familyNative            // which is the type of an integration that no worker runs
	familyHandshake         // which is the step that refused it
	familyThrottle          // which is a throttleScope
	familyAuthorizer        // which is an authorizer's name
	familyDisconnect        // which is a closeCause
)

// options are labels made ready, so that measuring allocates nothing.
type options struct {
	add     []metric.AddOption
	record  []metric.RecordOption
	observe []metric.ObserveOption
}

// The attributes that are ours; the others are OpenTelemetry's.
const (
	attrAPI            = attribute.Key("sallyport.api")
	attrStage          = attribute.Key("sallyport.stage")
	attrRoute          = attribute.Key("sallyport.route")
	attrDirection      = attribute.Key("sallyport.direction")
	attrCallbackMethod = attribute.Key("sallyport.callback.method")
	attrType           = attribute.Key("sallyport.integration.type")
)

// newMetrics makes the instruments; a nil provider gives nil metrics.
func newMetrics(p metric.MeterProvider) (*metrics, error) {
	if p == nil {
		return nil, nil //nolint:nilnil // nil metrics count nothing
	}
	m := &metrics{scheme: schemeHTTP, sets: make(map[labels]options)}
	m.messages, m.callbacks = newTallies(m.with), newTallies(m.with)
	meter := p.Meter(scope)
	var errs [7]error
	m.connections, errs[0] = meter.Int64UpDownCounter("sallyport.connections",
		metric.WithUnit("{connection}"), metric.WithDescription("Open WebSocket connections."))
	_, errs[1] = meter.Int64ObservableCounter("sallyport.messages", metric.WithInt64Callback(m.messages.read),
		metric.WithUnit("{message}"), metric.WithDescription("WebSocket messages from and to clients, error frames apart."))
	m.failures, errs[2] = meter.Int64Counter("sallyport.event.failures",
		metric.WithUnit("{event}"), metric.WithDescription("Events of WebSocket APIs that failed, and messages that no route took."))
	m.latency, errs[3] = meter.Float64Histogram("sallyport.event.duration",
		metric.WithUnit("s"), metric.WithDescription("From handing an event to NATS until its answer, where the edge waits for one."))
	_, errs[4] = meter.Int64ObservableCounter("sallyport.callbacks", metric.WithInt64Callback(m.callbacks.read),
		metric.WithUnit("{call}"), metric.WithDescription("Calls of the @connections API, counted by the edge that owns the connection."))
	m.fullQueues, errs[5] = meter.Int64Counter("sallyport.send_queue.full",
		metric.WithUnit("{occurrence}"), metric.WithDescription("Times that a client's send queue became full."))
	m.requests, errs[6] = meter.Float64Histogram("http.server.request.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of requests to HTTP APIs."))
	return m, errors.Join(append(errs[:], m.openAccess(meter), m.openLife(meter), m.openDurable(meter))...)
}

// with returns the options of l, made once.
func (m *metrics) with(l labels) options {
	m.mu.RLock()
	o, ok := m.sets[l]
	m.mu.RUnlock()
	if ok {
		return o
	}
	set := metric.WithAttributeSet(l.set(m.scheme))
	o = options{add: []metric.AddOption{set}, record: []metric.RecordOption{set}, observe: []metric.ObserveOption{set}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets[l] = o
	return o
}

func (l labels) set(scheme string) attribute.Set {
	var kvs []attribute.KeyValue
	add := func(key attribute.Key, value string) {
		if value != "" {
			kvs = append(kvs, key.String(value))
		}
	}
	add(attrAPI, string(l.api))
	add(attrStage, string(l.stage))
	add(attrRoute, string(l.route))
	add(semconv.ErrorTypeKey, string(l.code))
	if l.status != 0 {
		kvs = append(kvs, semconv.HTTPResponseStatusCode(l.status))
	}
	switch l.family {
	case familyMessage:
		add(attrDirection, l.which)
	case familyCallback:
		add(attrCallbackMethod, l.which)
	case familyRequest:
		add(semconv.HTTPRequestMethodKey, l.which)
		add(semconv.URLSchemeKey, scheme)
		if l.route != "" {
			add(semconv.HTTPRouteKey, routeTemplate(l.route))
		}
	case familyNative:
		add(attrType, l.which)
	case familyHandshake:
		add(attrRefusedBy, l.which)
	case familyThrottle:
		add(attrThrottleScope, l.which)
	case familyAuthorizer:
		add(attrAuthorizer, l.which)
	case familyDisconnect:
		add(attrCause, l.which)
	case familyPlain:
	}
	return attribute.NewSet(kvs...)
}

func (m *metrics) connection(api gateway.APIID, stage gateway.StageName, change int64) {
	if m != nil {
		m.connections.Add(context.Background(), change, m.with(labels{api: api, stage: stage}).add...)
	}
}

// message counts one message: a client's, with the route that took it if one did, or one to a client, with the route
// that it answers if it answers one.
func (m *metrics) message(api gateway.APIID, stage gateway.StageName, route gateway.RouteKey, d direction) {
	if m != nil {
		l := labels{api: api, stage: stage, route: route, family: familyMessage, which: string(d)}
		m.messages.get(l).n.Add(1)
	}
}

// sent counts n messages to clients that answer no route.
func (m *metrics) sent(api gateway.APIID, stage gateway.StageName, n int) {
	if m != nil && n > 0 {
		l := labels{api: api, stage: stage, family: familyMessage, which: string(directionOut)}
		m.messages.get(l).n.Add(int64(n))
	}
}

// failed counts a message that came to nothing before an integration was asked, with the route that took it if one did;
// or, without a route, a one-way event that failed later.
func (m *metrics) failed(api gateway.APIID, stage gateway.StageName, route gateway.RouteKey, err error) {
	if m != nil {
		l := labels{api: api, stage: stage, route: route, code: gateway.ErrorCode(err)}
		m.failures.Add(context.Background(), 1, m.with(l).add...)
	}
}

// eventEnd is how an event of a WebSocket API ended.
type eventEnd struct {
	route *routeTallies // of a message; nil otherwise
	// native says that a subscriber took the event, so that no worker measures what the backend did with it.
	native bool
	status int // the reply's; 0 without one
	took   time.Duration
	err    error
}

// The error.type of a native backend's own refusal; workers count that of theirs (integrations).
const (
	errorClient gateway.Code = "4xx"
	errorServer gateway.Code = "5xx"
)

// kind is the error.type: a code for what went wrong on the way, a class of statuses for what the backend said.
func (a *eventEnd) kind() gateway.Code {
	code := gateway.ErrorCode(a.err)
	if !a.native {
		return code
	}
	switch code {
	case "":
		if a.status >= http.StatusInternalServerError {
			return errorServer
		} else if a.status >= http.StatusBadRequest {
			return errorClient
		}
	case gateway.CodeForbidden, gateway.CodeNotFound, gateway.CodeBadRequest, gateway.CodeGone, gateway.CodeSlowClient,
		gateway.CodeUnauthorized, gateway.CodeThrottled, gateway.CodeUnsupportedMedia:
		return errorClient // no other than the backend says these of an event that was sent
	case gateway.CodeTooLarge, gateway.CodeTimeout, gateway.CodeUnavailable, gateway.CodeIntegration, gateway.CodeInternal:
	}
	return code
}

// answered counts a WebSocket event whose end is known. Only where somebody waits for the answer is the time measured:
// the others are acknowledged or not as it suits us, and a backend may leave a $disconnect unanswered.
func (m *metrics) answered(ev *gateway.Event, out eventEnd) {
	if m == nil {
		return
	}
	var o options
	if code := out.kind(); code == "" && out.route != nil {
		o = out.route.answered
	} else {
		o = m.with(answeredLabels(labels{api: ev.API, stage: ev.Stage, route: ev.Route, code: code}, out.native))
	}
	if ev.Expect == gateway.ExpectReply && ev.Kind != gateway.EventDisconnect {
		m.latency.Record(context.Background(), out.took.Seconds(), o.record...)
	}
	if out.err != nil {
		m.failures.Add(context.Background(), 1, o.add...)
	}
}

// callback counts one call.
func (m *metrics) callback(api gateway.APIID, stage gateway.StageName, method string, code gateway.Code) {
	if m == nil {
		return
	}
	l := labels{api: api, stage: stage, family: familyCallback, which: method, code: code}
	m.callbacks.get(l).n.Add(1)
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
	l := labels{api: rec.API, stage: rec.Stage, route: rec.Route, code: rec.Code}
	if r.Integration > 0 {
		m.latency.Record(ctx, r.Integration.Seconds(), m.with(l).record...)
	}
	l.family, l.which, l.status = familyRequest, r.Method, rec.Status
	m.requests.Record(ctx, rec.Latency.Seconds(), m.with(l).record...)
}
