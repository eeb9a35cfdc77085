package edge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// exchange is one message from its frame to its answer. Those that hear of their end are pooled: they hold the event
// and the buffers that it points into, so they return to the pool when Send has returned and done was called, whichever
// comes last. An event that expects nothing gets an exchange that is left to the garbage collector, because nobody
// says when its Sender is finished with it.
type exchange struct {
	server  *Server
	socket  *socket
	program *router.Program
	route   *router.Route
	limits  gateway.Limits
	event   gateway.Event
	buf     []byte // the event's context, then its body unless the frame gave its own
	start   time.Time
	span    trace.Span    // nil when nothing is traced
	tallies *routeTallies // nil when nothing is counted

	done func(*gateway.Reply, error) // finish, bound once
	left atomic.Int32                // how many of Send and done have not happened yet
}

// exchangePool keeps exchanges between messages.
type exchangePool struct{ pool sync.Pool }

func (p *exchangePool) get() *exchange {
	if x, ok := p.pool.Get().(*exchange); ok {
		return x
	}
	x := new(exchange)
	x.done = x.finish
	return x
}

func (p *exchangePool) put(x *exchange) {
	buf := x.buf[:0]
	if cap(buf) > keepBufferBytes {
		buf = nil
	}
	*x = exchange{done: x.done, buf: buf}
	p.pool.Put(x)
}

// message sends one client message on its way: judge (route, admit) → send (event → Sender). It does not wait for the
// answer.
func (s *Server) message(k *socket, p *router.Program, in inbound) {
	m := arrival{socket: k, program: p, in: in, start: s.now()}
	m.request, m.id = gateway.NewRequestIDs()
	k.touch(m.start)
	if err := s.ours(); err != nil {
		s.refuse(m, "", err)
		return
	}
	if p.SlowFor(len(in.payload)) {
		s.beside(m, s.judge)
		return
	}
	s.judge(m)
}

// judge finds the message's route and decides whether it may go there.
func (s *Server) judge(m arrival) {
	route, err := m.program.Message(m.in.payload)
	if err != nil {
		s.refuse(m, "", err)
		return
	}
	if err := s.admitMessage(m, route); err != nil {
		s.refuse(m, route.Key(), err)
		return
	}
	switch {
	case !m.program.IsRefresh(route):
		s.send(m, route)
	case m.beside:
		s.renew(m, route)
	default:
		s.beside(m, func(m arrival) { s.renew(m, route) })
	}
}

// send makes an event of the message and sends it.
func (s *Server) send(m arrival, route *router.Route) {
	k, p := m.socket, m.program
	if m.beside && !k.isOpen() {
		return // it ended meanwhile, and its $disconnect may have been told
	}
	expect := s.expect(p, route)
	var x *exchange
	if expect == gateway.ExpectNothing {
		x = new(exchange)
	} else {
		x = s.exchanges.get()
		x.left.Store(2) // Send and done
	}
	x.server, x.socket, x.program, x.route, x.limits, x.start = s, k, p, route, p.Limits(), m.start
	ctx := s.tracing.message(x, p, m.request)
	sent, err := x.fill(m, expect)
	if err != nil {
		s.refuse(m, route.Key(), err)
		x.endSpan(err)
		return
	}
	if x.tallies = s.metrics.route(p, route); x.tallies != nil {
		x.tallies.in.n.Add(1)
	}
	if expect == gateway.ExpectNothing {
		s.unsettled.hold(p, &x.event, m.start) // before Failed can be told of it
		s.cfg.Sender.Send(ctx, sent, nil)
		x.endSpan(nil)
		x.observe(0, nil, 0)
		return
	}
	k.acquire()
	s.cfg.Sender.Send(ctx, sent, x.done)
	x.drop()
}

// expect says what we want to hear of a message on route. Worker-run one-way routes acknowledge while somebody watches,
// so that records have a latency, and under maxInFlight 1, which promises that one message ends before the next begins.
func (s *Server) expect(p *router.Program, route *router.Route) gateway.Expect {
	switch {
	case route.Durable() != nil:
		return gateway.ExpectStored
	case route.TwoWay():
		return gateway.ExpectReply
	case route.Native():
		return gateway.ExpectNothing
	case p.MaxInFlight() == 1 || s.observing() || logs(p):
		return gateway.ExpectAck
	}
	return gateway.ExpectNothing
}

// fill builds the event and returns it in the form in which the route wants it. The client's bytes are copied once,
// because the engine reuses its buffer; a message that came in pieces is handed on as it is.
func (x *exchange) fill(m arrival, expect gateway.Expect) (*gateway.Event, error) {
	k, p, in, route := m.socket, m.program, m.in, x.route
	if x.buf == nil {
		const roomForMessage = 320 // AppendMessage's members with room to spare
		size := k.contextSize() + len(route.Context()) + roomForMessage
		if !in.owned {
			size += len(in.payload)
		}
		x.buf = make([]byte, 0, size)
	}
	b := k.appendContext(x.buf)
	b = append(b, route.Context()...)
	b = event.AppendMessage(b, event.MessageInfo{
		Kind: gateway.EventMessage, Request: m.request, MessageID: m.id, Time: x.start,
	})
	end := len(b)
	body := in.payload
	if !in.owned {
		b = append(b, in.payload...)
		body = b[end:len(b):len(b)]
	}
	x.buf = b
	x.event = gateway.Event{
		Kind: gateway.EventMessage, API: p.API(), Stage: p.Stage(), Route: route.Key(), Subject: route.Subject(),
		Expect: expect, Timeout: route.Timeout(), Connection: k.conn.ID, Request: m.request,
		Context: b[:end:end], Body: body, Binary: in.op == ws.OpBinary,
	}
	if d := route.Durable(); d != nil {
		x.event.Subject, x.event.Message = d.Subject, m.id
	}
	if kept := k.conn.Handshake; kept != nil {
		x.event.Header = kept.Header
	}
	return encodeForRoute(route, &x.event)
}

// finish is the Sender's done.
func (x *exchange) finish(reply *gateway.Reply, err error) {
	sent := 0
	if err == nil {
		err = x.server.ours()
	}
	switch {
	case err != nil:
	case x.event.Expect == gateway.ExpectReply:
		sent, err = x.reply(reply)
	case x.event.Expect == gateway.ExpectStored:
		sent = x.stored()
	}
	if err != nil {
		sent = x.server.errorFrame(x.socket, x.limits, x.event.Request, err)
	}
	x.socket.release()
	took := x.server.now().Sub(x.start)
	status := replyStatus(reply)
	x.server.metrics.answered(&x.event, eventEnd{route: x.tallies, native: x.route.Native() && x.route.Durable() == nil, status: status, took: took, err: err})
	x.endSpan(err)
	if x.event.Expect != gateway.ExpectReply {
		status = 0 // an acknowledgement does not tell it
	}
	x.logMessage(x.program, status, took, err)
	x.observe(status, err, sent)
	x.drop()
}

// reply writes a two-way route's result as one message. An empty one sends nothing (contract/websocket-api.md §6.5).
func (x *exchange) reply(reply *gateway.Reply) (int, error) {
	reply, err := decodeForRoute(x.route, &x.event, reply)
	if err != nil {
		return 0, err
	}
	if len(reply.Body) == 0 {
		return 0, nil
	}
	if len(reply.Body) > x.limits.MaxMessageBytes {
		return 0, gateway.Errorf(gateway.CodeIntegration, "the reply is longer than %d bytes", x.limits.MaxMessageBytes)
	}
	x.socket.answer(opcodeOf(reply), reply.Body, x.limits)
	if x.tallies != nil {
		x.tallies.out.n.Add(1)
	}
	return len(reply.Body), nil
}

// drop counts down; the last one recycles.
func (x *exchange) drop() {
	if x.left.Add(-1) == 0 {
		x.server.exchanges.put(x)
	}
}

func (x *exchange) observe(status int, err error, sent int) {
	s := x.server
	if !s.observing() {
		return
	}
	ev := &x.event
	s.observe(event.Record{
		Time: x.start, API: ev.API, Stage: ev.Stage, Route: ev.Route, Kind: event.KindMessage,
		Connection: ev.Connection, Request: ev.Request, Status: status, Code: gateway.ErrorCode(err),
		Error: publicMessage(err), Latency: s.now().Sub(x.start), BytesIn: len(ev.Body), BytesOut: sent,
	})
}

// refuse answers a message that no route takes, or whose event can't be built.
func (s *Server) refuse(m arrival, route gateway.RouteKey, err error) {
	k, p := m.socket, m.program
	sent := s.errorFrame(k, p.Limits(), m.request, err)
	s.metrics.message(k.conn.API, k.conn.Stage, route, directionIn)
	s.metrics.failed(k.conn.API, k.conn.Stage, route, err)
	s.logRefused(k, p, m.request, m.start, route, err)
	if !s.observing() {
		return
	}
	s.observe(event.Record{
		Time: m.start, API: k.conn.API, Stage: k.conn.Stage, Route: route, Kind: event.KindMessage, Connection: k.conn.ID, Request: m.request,
		Code: gateway.ErrorCode(err), Error: publicMessage(err), Latency: s.now().Sub(m.start), BytesIn: len(m.in.payload),
		BytesOut: sent,
	})
}

// errorFrame tells the client that its message r failed (contract/websocket-api.md §5). It returns the frame's size.
func (s *Server) errorFrame(k *socket, limits gateway.Limits, r gateway.RequestID, err error) int {
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	buf.b = router.ErrorFrame(buf.b, gateway.ErrorCode(err), k.conn.ID, r)
	k.answer(ws.OpText, buf.b, limits)
	return len(buf.b)
}

// Failed reports that an event of which nothing was expected failed: nobody serves its route, or its worker reported an
// error. The client gets the error frame, as on Amazon's one-way routes (DESIGN §3.3). It never blocks; a client whose
// queue is full is not told, since nothing stops it from failing again.
func (s *Server) Failed(id gateway.ConnectionID, r gateway.RequestID, err error) {
	logged := s.unsettled.failed(r, err)
	k := s.hub.get(id)
	if k == nil {
		return
	}
	p := s.program(k.conn.API, k.conn.Stage)
	if p == nil {
		return
	}
	if !logged { // too late for the message's own line
		s.logRefused(k, p, r, s.now(), "", err)
	}
	frame := router.ErrorFrame(nil, gateway.ErrorCode(err), id, r)
	sent := len(frame)
	if k.push(ws.OpText, frame, p.Limits()) != nil {
		sent = 0
	}
	s.metrics.failed(k.conn.API, k.conn.Stage, "", err)
	if s.observing() {
		s.observe(event.Record{
			Time: s.now(), API: k.conn.API, Stage: k.conn.Stage, Kind: event.KindMessage, Connection: id, Request: r,
			Code: gateway.ErrorCode(err), Error: publicMessage(err), BytesOut: sent,
		})
	}
}

// endSpan ends the message's span, if there is one.
func (x *exchange) endSpan(err error) {
	if x.span != nil {
		endSpan(x.span, err)
	}
}
