package edge

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sallyport/sallyport/gateway"
)

// lifeMetrics count how connections end, what waits for one to open, and what compression saves.
type lifeMetrics struct {
	disconnects metric.Int64Counter
	heldPosts   metric.Int64Counter
	cuts        metric.Int64UpDownCounter
	deflated    metric.Int64Counter
	compression deflateMetrics
}

const (
	attrCause = attribute.Key("sallyport.disconnect.cause")
	attrForm  = attribute.Key("sallyport.deflate.form")
)

// closeCause is why a connection ended, in the words of sallyport.disconnect.cause. Codes would not do: clients choose
// theirs.
type closeCause string

// The causes; docs/connection.md has what each means to the client.
const (
	causeClient    closeCause = "client"
	causeCallback  closeCause = "callback"
	causeGoingAway closeCause = "going_away" // idle, old, or its API or this process ends
	causeFault     closeCause = "fault"
	causeExpired   closeCause = "expired"
	causeSlow      closeCause = "slow"
	causeLost      closeCause = "lost"
	causeFenced    closeCause = "fenced"
	causeCut       closeCause = "cut" // a stop ran out of time
)

func (m *metrics) openLife(meter metric.Meter) error {
	var errs [4]error
	m.disconnects, errs[0] = meter.Int64Counter("sallyport.disconnects",
		metric.WithUnit("{connection}"), metric.WithDescription("Connections that ended, by why they did."))
	m.heldPosts, errs[1] = meter.Int64Counter("sallyport.held_posts",
		metric.WithUnit("{call}"), metric.WithDescription("Posts to connections whose $connect was under way, by what became of them."))
	m.deflated, errs[2] = meter.Int64Counter("sallyport.deflate.connections",
		metric.WithUnit("{connection}"), metric.WithDescription("Connections that opened with compression."))
	m.cuts, errs[3] = meter.Int64UpDownCounter("sallyport.edge.cut_off",
		metric.WithUnit("{edge}"), metric.WithDescription("1 while the edge keeps its clients although its lease may be in other hands."))
	return errors.Join(append(errs[:], m.compression.open(meter))...)
}

func (m *metrics) disconnected(api gateway.APIID, stage gateway.StageName, cause closeCause) {
	if m != nil {
		l := labels{api: api, stage: stage, family: familyDisconnect, which: string(cause)}
		m.disconnects.Add(context.Background(), 1, m.with(l).add...)
	}
}

// cutOff says whether the edge is cut off now.
func (m *metrics) cutOff(now bool) {
	switch {
	case m == nil:
	case now:
		m.cuts.Add(context.Background(), 1)
	default:
		m.cuts.Add(context.Background(), -1)
	}
}

// held counts n posts that were held, or were not. code is empty for those that were delivered, CodeGone for those whose
// handshake was refused after all.
func (m *metrics) held(api gateway.APIID, stage gateway.StageName, n int, code gateway.Code) {
	if m == nil || n == 0 {
		return
	}
	m.heldPosts.Add(context.Background(), int64(n), m.with(labels{api: api, stage: stage, code: code}).add...)
	if code == "" {
		l := labels{api: api, stage: stage, family: familyMessage, which: string(directionOut)}
		m.messages.get(l).n.Add(int64(n))
	}
}

func (m *metrics) opensDeflated(api gateway.APIID, stage gateway.StageName) {
	if m != nil {
		m.deflated.Add(context.Background(), 1, m.with(labels{api: api, stage: stage}).add...)
	}
}

// deflateSizes returns the counter for compressed messages of one direction; nil counts nothing.
func (m *metrics) deflateSizes(d direction) *deflateCounter {
	switch {
	case m == nil:
		return nil
	case d == directionIn:
		return &m.compression.in
	}
	return &m.compression.out
}

// deflateMetrics count the bytes of compressed messages before and after. The pools that compress know no APIs, so these
// are of the whole edge.
type deflateMetrics struct{ in, out deflateCounter }

// deflateCounter counts one direction, with its attributes made ready.
type deflateCounter struct {
	bytes             metric.Int64Counter
	plain, compressed []metric.AddOption
}

func (m *deflateMetrics) open(meter metric.Meter) error {
	bytes, err := meter.Int64Counter("sallyport.deflate.bytes",
		metric.WithUnit("By"), metric.WithDescription("Bytes of compressed messages, as they are and as they travel."))
	m.in, m.out = newDeflateCounter(bytes, directionIn), newDeflateCounter(bytes, directionOut)
	return err
}

func newDeflateCounter(bytes metric.Int64Counter, d direction) deflateCounter {
	options := func(form string) []metric.AddOption {
		return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrDirection.String(string(d)), attrForm.String(form)))}
	}
	return deflateCounter{bytes: bytes, plain: options("plain"), compressed: options("compressed")}
}

// count counts one message.
func (c *deflateCounter) count(plain, compressed int) {
	if c != nil {
		c.bytes.Add(context.Background(), int64(plain), c.plain...)
		c.bytes.Add(context.Background(), int64(compressed), c.compressed...)
	}
}
