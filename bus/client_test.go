package bus

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

func TestEventArrivesAsItIs(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	got := make(chan *nats.Msg, 1)
	respond(t, outside(t, e), joinSubject, func(m *nats.Msg) {
		got <- m
		out := nats.NewMsg(m.Reply)
		out.Header["Sallyport-Status"] = []string{"201"}
		out.Header["x-a"], out.Header["X-A"] = []string{"1", "2"}, []string{"3"}
		out.Header["sallyport-opcode"] = []string{"binary"}
		out.Header["Status"], out.Header["nats-msg-id"], out.Header["Sallyport-Unheard-Of"] = []string{"503"}, []string{"x"}, []string{"y"}
		out.Header["traceparent"] = []string{"00-1-2-01"}
		out.Header["X-Ctl"] = []string{"a\x00b"}
		out.Data = []byte("body \xff\x00")
		_ = m.RespondMsg(out)
	})
	ev := message("raw \x00\xff bytes")
	ev.Binary = true
	ev.Header = gateway.Header{"Host": {"a"}, "x-multi": {"1", "2"}, "Nats-Trace-Dest": {"evil"}, "sallyport-context": {"forged"},
		"STATUS": {"503"}, "Description": {"x"}, "Traceparent": {"00-client"}, "bad name": {"x"}, "X-Ctl": {"ok", "a\rb"}}
	reply, err := outcomeOf(t, client, ev)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Status != 201 || !reply.Binary || string(reply.Body) != "body \xff\x00" {
		t.Errorf("reply %+v", reply)
	}
	if len(reply.Header) != 2 || len(reply.Header["x-a"]) != 2 || len(reply.Header["X-A"]) != 1 {
		t.Errorf("reply header %v", reply.Header)
	}
	m := receive(t, got)
	want := map[string]int{"Host": 1, "x-multi": 2, "X-Ctl": 1, HeaderContext: 1, HeaderOpcode: 1}
	if !bytes.Equal(m.Data, ev.Body) || len(m.Header) != len(want) || m.Header[HeaderContext][0] != string(ev.Context) {
		t.Errorf("message %q %v", m.Data, m.Header)
	}
	for name, n := range want {
		if len(m.Header[name]) != n {
			t.Errorf("%s: %v", name, m.Header[name])
		}
	}
	if len(reply.Header) > 0 && client.Stats().Pending != 0 {
		t.Error("still pending")
	}
}

func TestReplies(t *testing.T) {
	const none = gateway.Code("")
	for _, tc := range []struct {
		name   string
		header nats.Header
		body   string
		code   gateway.Code
		status int
	}{
		{"plain body", nil, "hi", none, 200},
		{"empty", nil, "", none, 200},
		{"other headers only", nats.Header{"Content-Type": {"a/b"}}, "hi", none, 200},
		{"a backend's own 503", nats.Header{"Status": {"503"}}, "", none, 200},
		{"status", nats.Header{"SALLYPORT-STATUS": {"404"}}, "no", none, 404},
		{"status text", nats.Header{HeaderStatus: {"fine"}}, "", gateway.CodeIntegration, 0},
		{"status of two digits", nats.Header{HeaderStatus: {"20"}}, "", gateway.CodeIntegration, 0},
		{"status interim", nats.Header{HeaderStatus: {"101"}}, "", gateway.CodeIntegration, 0},
		{"status huge", nats.Header{HeaderStatus: {"99999999999999999999"}}, "", gateway.CodeIntegration, 0},
		{"error", nats.Header{HeaderError: {"forbidden"}}, "go away", gateway.CodeForbidden, 0},
		{"unknown error", nats.Header{HeaderError: {"what?"}}, "hm", gateway.CodeInternal, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reply, _, err := readReply(&nats.Msg{Header: tc.header, Data: []byte(tc.body)})
			wantCode(t, err, tc.code)
			if err == nil && (reply.Status != tc.status || string(reply.Body) != tc.body) {
				t.Errorf("%+v", reply)
			}
			var ge *gateway.Error
			if tc.header[HeaderError] != nil && (!errors.As(err, &ge) || ge.Message != tc.body) {
				t.Errorf("%v", err)
			}
		})
	}
	_, _, err := readReply(&nats.Msg{Header: nats.Header{HeaderError: {"timeout"}}, Data: bytes.Repeat([]byte("é"), 1000)})
	if m := publicError(err).Message; len(m) > maxErrorMessage+3 || !strings.HasPrefix(m, "éé") {
		t.Errorf("message of %d bytes", len(m))
	}
}

func TestNobodyServes(t *testing.T) {
	e := startNATS(t)
	failed := make(chan error, 1)
	ev := message("x")
	client := newClient(t, ClientConfig{Conn: connect(t, e), Failed: func(c gateway.ConnectionID, r gateway.RequestID, err error) {
		if c != ev.Connection || r != ev.Request {
			err = errors.New("of another message")
		}
		failed <- err
	}})
	_, err := outcomeOf(t, client, ev)
	wantCode(t, err, gateway.CodeUnavailable)
	_, err = client.Invoke(t.Context(), ev)
	wantCode(t, err, gateway.CodeUnavailable)
	ev.Expect = gateway.ExpectAck
	_, err = outcomeOf(t, client, ev)
	wantCode(t, err, gateway.CodeUnavailable)
	ev.Expect = gateway.ExpectNothing
	_, err = client.Invoke(t.Context(), ev)
	wantCode(t, err, gateway.CodeUnavailable)
	client.Send(t.Context(), ev, nil)
	wantCode(t, receive(t, failed), gateway.CodeUnavailable)
	if s := client.Stats(); s != (ClientStats{}) {
		t.Errorf("%+v", s)
	}
}

func TestOneWayHearsFailuresOnly(t *testing.T) {
	e := startNATS(t)
	failed := make(chan error, 4)
	client := newClient(t, ClientConfig{Conn: connect(t, e), Failed: func(_ gateway.ConnectionID, _ gateway.RequestID, err error) { failed <- err }})
	nc := outside(t, e)
	respond(t, nc, joinSubject, func(m *nats.Msg) {
		_ = m.Respond([]byte("ignored"))
		_ = m.RespondMsg(&nats.Msg{Header: nats.Header{HeaderStatus: {"junk"}}})
		_ = m.RespondMsg(&nats.Msg{Header: nats.Header{HeaderError: {"integration_failed"}}, Data: []byte("no backend")})
	})
	ev := message("x")
	ev.Expect = gateway.ExpectNothing
	client.Send(t.Context(), ev, nil)
	err := receive(t, failed)
	wantCode(t, err, gateway.CodeIntegration)
	if publicError(err).Message != "no backend" || len(failed) != 0 {
		t.Errorf("%v, and %d more", err, len(failed))
	}
	// Junk on the failure subjects disturbs nothing.
	_ = nc.Publish("sallyport.@edge.AbC_.f.x", nil)
	_ = nc.Publish("sallyport.@edge.AbC_.f.x.y.z", nil)
	eventually(t, "junk counted", func() bool { return client.Stats().Junk == 2 })
}

func TestInvokeOneWayReturnsAtOnce(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	got := make(chan *nats.Msg, 1)
	respond(t, outside(t, e), joinSubject, func(m *nats.Msg) { got <- m })
	ev := message("x")
	ev.Expect = gateway.ExpectNothing
	reply, err := client.Invoke(t.Context(), ev)
	if err != nil || reply.Status != 200 {
		t.Fatalf("%+v %v", reply, err)
	}
	receive(t, got)
	if n := client.Stats().Pending; n != 0 {
		t.Errorf("%d pending", n)
	}
}

func TestSilenceTimesOutNeverEarly(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	held := make(chan *nats.Msg, 8)
	respond(t, outside(t, e), joinSubject, func(m *nats.Msg) { held <- m })
	for _, wait := range []time.Duration{time.Millisecond, 120 * time.Millisecond} {
		for _, expect := range []gateway.Expect{gateway.ExpectReply, gateway.ExpectAck} {
			ev := message("x")
			ev.Timeout, ev.Expect = wait, expect
			start := time.Now()
			_, err := outcomeOf(t, client, ev)
			wantCode(t, err, gateway.CodeTimeout)
			if took := time.Since(start); took < wait {
				t.Errorf("fired after %v, %v too early", took, wait-took)
			}
		}
	}
	// An answer that comes after all, and one more, are counted and dropped.
	m := receive(t, held)
	_, _ = m.Respond([]byte("late")), m.Respond([]byte("later"))
	eventually(t, "late replies counted", func() bool { return client.Stats().Late == 2 })
}

func TestSecondAnswerIsDropped(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	nc := outside(t, e)
	respond(t, nc, joinSubject, func(m *nats.Msg) {
		_ = m.Respond([]byte("first"))
		_ = m.Respond([]byte("second"))
	})
	if r, err := outcomeOf(t, client, message("x")); err != nil || string(r.Body) != "first" {
		t.Fatalf("%+v %v", r, err)
	}
	_ = nc.Publish("sallyport.@edge.AbC_.r.never", nil)
	_ = nc.Publish("sallyport.@edge.AbC_.r.no.number", nil)
	eventually(t, "both counted", func() bool { s := client.Stats(); return s.Late == 2 && s.Junk == 1 })
}

func TestInvokeEndsWithItsContext(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	ctx, cancel := context.WithCancel(t.Context())
	respond(t, outside(t, e), joinSubject, func(*nats.Msg) { cancel() })
	ev := message("x")
	ev.Timeout = 0
	_, err := client.Invoke(ctx, ev)
	wantCode(t, err, gateway.CodeTimeout)
	if !errors.Is(err, context.Canceled) || client.Stats().Pending != 0 {
		t.Errorf("%v, %d pending", err, client.Stats().Pending)
	}
	_, err = client.Invoke(ctx, ev)
	wantCode(t, err, gateway.CodeTimeout)
}

func TestOversizeIsRefusedBeforeSending(t *testing.T) {
	e := startNATS(t)
	conn := connect(t, e)
	failed := make(chan error, 1)
	client := newClient(t, ClientConfig{Conn: conn, Failed: func(_ gateway.ConnectionID, _ gateway.RequestID, err error) { failed <- err }})
	if got := conn.PayloadCap(); got != EmbeddedMaxPayload-headerRoom {
		t.Fatalf("cap %d", got)
	}
	ev := message(strings.Repeat("x", conn.PayloadCap()+1))
	_, err := outcomeOf(t, client, ev)
	wantCode(t, err, gateway.CodeTooLarge)
	_, err = client.Invoke(t.Context(), ev)
	wantCode(t, err, gateway.CodeTooLarge)
	ev.Expect = gateway.ExpectNothing
	client.Send(t.Context(), ev, nil)
	wantCode(t, receive(t, failed), gateway.CodeTooLarge)
	// Headers count too.
	ev = message(strings.Repeat("x", conn.PayloadCap()))
	ev.Header = gateway.Header{"X-Long": {strings.Repeat("y", 2*headerRoom)}}
	_, err = outcomeOf(t, client, ev)
	wantCode(t, err, gateway.CodeTooLarge)
	// A subject that would cost us the connection.
	ev = message("x")
	ev.Subject = strings.Repeat("a", MaxSubjectBytes)
	_, err = outcomeOf(t, client, ev)
	wantCode(t, err, gateway.CodeBadRequest)
	ev.Subject = "a b"
	_, err = outcomeOf(t, client, ev)
	wantCode(t, err, gateway.CodeInternal)
	if !conn.Connected() || client.Stats().Pending != 0 {
		t.Error("the connection or a token was lost")
	}
}

func TestLargestMessageFits(t *testing.T) {
	e := startNATS(t)
	conn := connect(t, e)
	client := newClient(t, ClientConfig{Conn: conn})
	respond(t, outside(t, e), joinSubject, func(m *nats.Msg) { _ = m.Respond(m.Data) })
	ev := message(strings.Repeat("x", conn.PayloadCap()))
	if r, err := outcomeOf(t, client, ev); err != nil || len(r.Body) != len(ev.Body) {
		t.Fatal(err)
	}
}

func TestNATSGoneFailsAtOnce(t *testing.T) {
	e := startNATS(t)
	conn := connect(t, e)
	failed := make(chan error, 1)
	client := newClient(t, ClientConfig{Conn: conn, Failed: func(_ gateway.ConnectionID, _ gateway.RequestID, err error) { failed <- err }})
	e.Shutdown()
	eventually(t, "disconnected", func() bool { return !conn.Connected() })
	_, err := outcomeOf(t, client, message("x"))
	wantCode(t, err, gateway.CodeUnavailable)
	_, err = client.Invoke(t.Context(), message("x"))
	wantCode(t, err, gateway.CodeUnavailable)
	ev := message("x")
	ev.Expect = gateway.ExpectNothing
	client.Send(t.Context(), ev, nil)
	wantCode(t, receive(t, failed), gateway.CodeUnavailable)
}

func TestCloseEndsWhatIsPending(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	arrived := make(chan *nats.Msg, 1)
	respond(t, outside(t, e), joinSubject, func(m *nats.Msg) { arrived <- m })
	answered := make(chan error, 1)
	client.Send(t.Context(), message("x"), func(_ *gateway.Reply, err error) { answered <- err })
	receive(t, arrived)
	client.Close()
	wantCode(t, receive(t, answered), gateway.CodeUnavailable)
	_, err := outcomeOf(t, client, message("x"))
	wantCode(t, err, gateway.CodeUnavailable)
	client.Close()
}

func TestCapturingStreamIsReportedOnce(t *testing.T) {
	e := startNATS(t)
	var log logBuffer
	client := newClient(t, ClientConfig{Conn: connect(t, e), Logger: log.logger()})
	respond(t, outside(t, e), joinSubject, func(m *nats.Msg) { _ = m.Respond([]byte(`{"stream":"CAP","seq":2}`)) })
	for range 2 {
		if _, err := outcomeOf(t, client, message("x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "captures event subjects"); n != 1 {
		t.Errorf("%d reports: %s", n, log.String())
	}
}

func TestClientConfigIsChecked(t *testing.T) {
	e := startNATS(t)
	conn := connect(t, e)
	for _, c := range []ClientConfig{{Edge: testEdge}, {Conn: conn}, {Conn: conn, Edge: "toolong"}, {Conn: conn, Edge: testEdge, Subjects: Subjects{Prefix: "a b"}}} {
		if _, err := NewClient(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
