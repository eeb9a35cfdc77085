package edge

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

func TestLocalConnections(t *testing.T) {
	w := newWorld(t, chatAPI(), func(c *Config) { c.Observe = new(recorder).observe })
	local := w.Connections()
	c := w.connect("User-Agent: probe/1")
	full := gateway.ConnectionRef{API: "chat", Stage: "dev", ID: c.id}

	for _, ref := range []gateway.ConnectionRef{full, {ID: c.id}, {API: "chat", ID: c.id}} {
		if err := local.Post(t.Context(), ref, gateway.Push{Body: []byte("hé")}); err != nil {
			t.Fatal(err)
		}
		c.wantText("hé")
	}
	if err := local.Post(t.Context(), full, gateway.Push{Body: []byte{0xff}, Binary: true}); err != nil {
		t.Fatal(err)
	}
	if h, b := c.read(); h.OpCode != ws.OpBinary || string(b) != "\xff" {
		t.Errorf("%v %q", h, b)
	}
	if err := local.Post(t.Context(), full, gateway.Push{}); err != nil {
		t.Fatal(err)
	}
	c.wantText("") // an empty message is one

	status, err := local.Get(t.Context(), full)
	if err != nil || status.ID != c.id || status.UserAgent != "probe/1" || status.SourceIP != "127.0.0.1" || status.DomainName != "test.local" ||
		status.LastActiveAt.Before(status.ConnectedAt) || time.Since(status.LastActiveAt) > time.Minute {
		t.Errorf("%+v %v", status, err)
	}
	var listed []gateway.ConnectionStatus
	w.List(func(s gateway.ConnectionStatus) bool { listed = append(listed, s); return true })
	if len(listed) != 1 || listed[0].ID != c.id {
		t.Errorf("listed %+v", listed)
	}

	for name, test := range map[string]struct {
		ref  gateway.ConnectionRef
		push gateway.Push
		want gateway.Code
	}{
		"another API":     {gateway.ConnectionRef{API: "other", Stage: "dev", ID: c.id}, gateway.Push{}, gateway.CodeGone},
		"another stage":   {gateway.ConnectionRef{API: "chat", Stage: "prod", ID: c.id}, gateway.Push{}, gateway.CodeGone},
		"nobody":          {gateway.ConnectionRef{ID: gateway.NewConnectionID("EDGE")}, gateway.Push{}, gateway.CodeGone},
		"over the limit":  {full, gateway.Push{Body: []byte(strings.Repeat("x", 1<<20+1))}, gateway.CodeTooLarge},
		"up to the limit": {full, gateway.Push{Body: []byte(strings.Repeat("x", 1<<20))}, ""},
	} {
		if err := local.Post(t.Context(), test.ref, test.push); gateway.ErrorCode(err) != test.want {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if name == "up to the limit" {
			c.wantText(strings.Repeat("x", 1<<20))
			continue
		}
		if _, err := local.Get(t.Context(), test.ref); test.want == gateway.CodeGone && gateway.ErrorCode(err) != test.want {
			t.Errorf("%s: get: %v", name, err)
		}
	}

	if err := local.Delete(t.Context(), full, gateway.Close{Code: 1005}); gateway.ErrorCode(err) != gateway.CodeBadRequest {
		t.Errorf("a code that must not be sent: %v", err)
	}
	if err := local.Delete(t.Context(), full, gateway.Close{Code: 4000, Reason: "out"}); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{local.Post(t.Context(), full, gateway.Push{}), local.Delete(t.Context(), full, gateway.Close{})} {
		if gateway.ErrorCode(err) != gateway.CodeGone {
			t.Errorf("after the end: %v", err)
		}
	}
	c.wantClose(4000, "out")
	w.wantDisconnect(c, 4000, "out")
}

func TestCallbackRecords(t *testing.T) {
	records := new(recorder)
	w := newWorld(t, chatAPI(), func(c *Config) { c.Observe = records.observe })
	c := w.connect()
	_ = w.Connections().Post(t.Context(), c.ref(), gateway.Push{Body: []byte("abc")})
	_ = w.Connections().Post(t.Context(), gateway.ConnectionRef{API: "made up", ID: "EDGExxxxxxxxxxx="}, gateway.Push{})
	records.mu.Lock()
	defer records.mu.Unlock()
	if len(records.records) != 3 {
		t.Fatalf("%d records", len(records.records))
	}
	if r := records.records[1]; r.Kind != event.KindCallback || r.Method != "POST" || r.API != "chat" || r.BytesOut != 3 || r.Code != "" {
		t.Errorf("%+v", r)
	}
	if r := records.records[2]; r.Code != gateway.CodeGone || r.API != "" {
		t.Errorf("%+v", r)
	}
}

// A client that reads slowly gets everything that was accepted, in order, through the queue of a real socket.
func TestQueueKeepsOrder(t *testing.T) {
	w := newWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) { l.SendQueueBytes = ptr(8 << 20) })))
	c := w.connect()
	var want []string
	for i := range 400 {
		s := strings.Repeat(string(rune('a'+i%26)), 1+i*i%50_000)
		want = append(want, s)
		if err := w.Connections().Post(t.Context(), c.ref(), gateway.Push{Body: []byte(s)}); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, s := range want {
		c.wantText(s)
	}
	waitFor(t, "empty queue", func() bool { return w.hub.get(c.id).queuedBytes() == 0 })
}

// Text that is not UTF-8 is refused: the client would have to end its connection over it (RFC 6455 §8.1).
func TestPushOfTextThatIsNotUTF8(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	ctx := t.Context()
	bad := []byte{'a', 0xff}
	if err := w.Connections().Post(ctx, c.ref(), gateway.Push{Body: bad}); gateway.ErrorCode(err) != gateway.CodeBadRequest {
		t.Errorf("pushed as text: %v", err)
	}
	if err := w.Connections().Post(ctx, c.ref(), gateway.Push{Body: bad, Binary: true}); err != nil {
		t.Errorf("pushed as binary: %v", err)
	}
	if h, got := c.read(); h.OpCode != ws.OpBinary || !bytes.Equal(got, bad) {
		t.Errorf("the client received %v %q", h.OpCode, got)
	}
}
