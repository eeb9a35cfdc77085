package edge

import (
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 wants it
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// webSocketVersion is that of RFC 6455.
const webSocketVersion = "13"

// handshake is one upgrade request on its way. One goroutine owns it.
type handshake struct {
	nc     net.Conn
	early  []byte // bytes behind the head
	head   requestHead
	scheme string

	arrived time.Time
	path    string // percent-encoded
	query   string // without '?'
	host    string // as the client wrote it
	program *router.Program
	conn    *gateway.Connection // kept as long as the connection; unchanged once it is recorded
	request gateway.RequestID   // of $connect
	trace   string              // the trace id, unless the client has one
	accept  string              // subprotocol that the backend chose
	step    step                // where it stands
	span    trace.Span          // nil when nothing is traced

	// What the $connect integration took and said; zero where it was not asked.
	backendTook   time.Duration
	backendStatus int

	admission accesslog.Admission
	grant     *grant      // nil: no scopes, no end
	held      *heldPushes // nil unless callbacks wait for the connection
}

func newHandshake(nc net.Conn, early []byte, head requestHead) *handshake {
	return &handshake{nc: nc, early: early, head: head, conn: new(gateway.Connection)}
}

// upgrade takes a handshake from its head to a socket, or to the answer that refuses it:
// resolve → throttle → authorize → record → hold → $connect → 101. It blocks as long as the authorizer, the journal and the
// backend take, all bounded.
func (s *Server) upgrade(h *handshake) {
	h.arrived, h.scheme = s.now(), s.scheme()
	tellScheme(h.head.header, h.scheme)
	if s.addresses != nil && !s.addresses.allow(peerIP(h.nc.RemoteAddr().String()), h.arrived) {
		s.turnAway(h, refusalTooMany(), stepAddressRate)
		return
	}
	if !s.enter() {
		s.turnAway(h, refusalUnavailable(), stepCapacity)
		return
	}
	defer s.leave()
	err := s.resolve(h)
	h.span = s.tracing.handshake(h)
	if err == nil {
		err = s.admit(h)
	}
	if err != nil {
		refusal := asRefusal(err)
		if s.stopping() {
			_ = writeAnswer(h.nc, refusal) // a stop does not wait until the client has read it
		} else {
			writeRefusal(h.nc, refusal)
		}
		_ = h.nc.Close()
		s.handshakeTold(h, refusal.status, refusal.code, err)
		return
	}
	// Told before the client can send anything, so that records are in order.
	s.handshakeTold(h, http.StatusSwitchingProtocols, "", nil)
	s.open(h)
}

// turnAway refuses a handshake at the door: nothing is known of it, and nobody waits until its client has read the answer.
func (s *Server) turnAway(h *handshake, r *handshakeRefusal, by step) {
	s.metrics.handshake("", "", r.status, by)
	_ = writeAnswer(h.nc, r)
	_ = h.nc.Close()
}

func asRefusal(err error) *handshakeRefusal {
	var r *handshakeRefusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, errStopped):
		return refusalUnavailable()
	}
	return refusalOf(err)
}

// resolve finds the program that the client wants and holds the request to RFC 6455 §4.2.1.
func (s *Server) resolve(h *handshake) error {
	h.step = stepAddress
	u, err := url.ParseRequestURI(h.head.target)
	if err != nil {
		return refusalBadRequest()
	}
	h.host = h.head.header.Get("Host")
	if u.Host != "" {
		h.host = u.Host // RFC 9112 §3.2.2: the absolute form wins
	}
	h.path, h.query = u.EscapedPath(), u.RawQuery
	address, ok := s.cfg.Live.Load().Resolve(h.host, h.path)
	// The path is fixed: what follows the stage is nobody's (contract/websocket-api.md §2).
	if !ok || address.Program.Protocol() != gateway.ProtocolWebSocket || address.Path != "" && address.Path != "/" {
		return refusalForbidden()
	}
	h.program, h.step = address.Program, stepUpgrade
	return checkUpgrade(&h.head, h.program)
}

func checkUpgrade(head *requestHead, p *router.Program) error {
	header := head.header
	key, err := base64.StdEncoding.DecodeString(header.Get("Sec-WebSocket-Key"))
	const keyBytes = 16
	major, minor, _ := http.ParseHTTPVersion(head.proto)
	switch {
	case head.method != http.MethodGet:
		return refusalMethod()
	case major != 1 || minor < 1, !hasToken(header.Get("Connection"), "upgrade"), err != nil || len(key) != keyBytes:
		return refusalBadRequest()
	case header.Get("Sec-WebSocket-Version") == "":
		return refusalBadRequest()
	case header.Get("Sec-WebSocket-Version") != webSocketVersion:
		return refusalVersion()
	case header.Get("Transfer-Encoding") != "", header.Get("Content-Length") != "" && header.Get("Content-Length") != "0":
		return refusalBadRequest() // a body would be read as frames
	case !p.OriginAllowed(header.Get("Origin")):
		return refusalForbidden()
	}
	return nil
}

// admit gives the connection its id, records it and asks the backend.
func (s *Server) admit(h *handshake) error {
	h.request, h.trace = gateway.NewRequestID(), newTraceID(h.arrived)
	*h.conn = gateway.Connection{
		ID: gateway.NewConnectionID(s.cfg.Journal.Edge()), API: h.program.API(), Stage: h.program.Stage(),
		// The journal keeps milliseconds, so an event of ours and one of a take-over say the same.
		ConnectedAt: h.arrived.UTC().Truncate(time.Millisecond), DomainName: router.WithoutPort(h.host),
		SourceIP: peerIP(h.nc.RemoteAddr().String()), UserAgent: h.head.header.Get("User-Agent"),
	}
	s.texts.settle(h.conn)
	h.step = stepThrottle
	if err := s.throttleConnect(h.program, h.arrived); err != nil {
		return err
	}
	if err := s.authorize(h); err != nil {
		return err
	}
	h.step = stepRecord
	switch err := s.record(h.conn); {
	case gateway.ErrorCode(err) == gateway.CodeTooLarge: // what the authorizer or the kept handshake says: no retry helps
		return gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(err)
	case err != nil:
		return refusalUnavailable()
	}
	s.hold(h)
	h.step = stepConnect
	// A process that was stopped since its lease was looked at may have been taken over: the end of this connection would be
	// told before its $connect, and never again. A lease that is lost from here on is the fence's matter: the connection is
	// recorded, and whoever takes over tells of its end.
	var err error
	if s.ours() != nil {
		err = refusalUnavailable()
	} else {
		err = s.connect(h)
	}
	if err != nil {
		s.dropHeld(h)
		if !errors.Is(err, errStopped) { // unknown what the backend says: a take-over tells it of the end
			s.cfg.Journal.Closed(h.conn.ID)
		}
		return err
	}
	return nil
}

// record makes the connection durable before anybody can know of it (DESIGN §3.5). While the journal is unhealthy only
// some may wait for it.
func (s *Server) record(c *gateway.Connection) error {
	if s.stopping() {
		return errStopped
	}
	if !s.cfg.Journal.Healthy() {
		select {
		case s.journalWaiters <- struct{}{}:
			defer func() { <-s.journalWaiters }()
		default:
			return gateway.Errorf(gateway.CodeUnavailable, "too many connections wait for the store")
		}
	}
	ctx, cancel := context.WithTimeout(s.ctx, journalWait)
	defer cancel()
	err := s.cfg.Journal.Opened(ctx, c)
	if err != nil {
		s.log.Warn("connection not recorded", "api", c.API, "stage", c.Stage, "error", err)
	}
	return err
}

// open turns an admitted handshake into a socket. Whatever happens to the client from here on, its $disconnect is told.
func (s *Server) open(h *handshake) {
	response := s.buffers.get()
	k := s.newSocket(h.conn, s.texts.newPrefix(h.conn))
	k.link = s.engine.open(h.nc, k)
	deflate := negotiateDeflate(h.head.header)
	if k.window = deflate.window; k.window != 0 {
		s.metrics.opensDeflated(h.conn.API, h.conn.Stage)
	}
	response.b = appendSwitching(response.b[:0], h.head.header.Get("Sec-WebSocket-Key"), h.accept, deflate)
	k.grant = h.grant
	k.mu.Lock()
	// Reachable before the client has the 101, and not able to send before it: the lock is held.
	s.remember(k)
	k.sendLocked(response)
	s.deliverHeldLocked(h, k)
	k.mu.Unlock()
	s.wheel.arm(&k.timer, k.due(s.now()))
	if s.fenced.Load() {
		k.end(endFenced())
	}
	k.link.start(h.early)
	if s.draining.Load() { // after the start: a drain that found k before has asked a link that could not settle
		k.part()
	}
}

// appendSwitching appends the 101 (RFC 6455 §4.2.2).
func appendSwitching(b []byte, key, subprotocol string, deflate deflateAnswer) []byte {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum([]byte(key + guid)) //nolint:gosec // RFC 6455 §4.2.2 wants it
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\n"...)
	b = appendHeader(b, "Date", time.Now().UTC().Format(http.TimeFormat)) // as Amazon's has it (contract/websocket-api.md §2)
	b = appendHeader(b, "Upgrade", "websocket")
	b = appendHeader(b, "Connection", "Upgrade")
	b = appendHeader(b, "Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	if subprotocol != "" {
		b = appendHeader(b, "Sec-WebSocket-Protocol", subprotocol)
	}
	if deflate.window != 0 {
		b = appendHeader(b, "Sec-WebSocket-Extensions", deflate.value())
	}
	return append(b, "\r\n"...)
}

// handshakeTold records and counts the end of a handshake.
func (s *Server) handshakeTold(h *handshake, status int, code gateway.Code, err error) {
	r := event.Record{
		Time: h.arrived, Kind: event.KindConnect, Connection: h.conn.ID, Request: h.request, Method: h.head.method,
		Path: h.path, Status: status, Code: code, Latency: s.now().Sub(h.arrived),
	}
	if err != nil {
		r.Error = asRefusal(err).Error()
		s.log.Debug("a handshake was refused", "api", h.conn.API, "stage", h.conn.Stage, "status", status, "by", h.step, "error", err)
	}
	if h.program != nil {
		r.API, r.Stage = h.program.API(), h.program.Stage()
		if h.program.Connect() != nil {
			r.Route = gateway.RouteConnect
		}
	}
	s.metrics.handshake(r.API, r.Stage, status, refusedBy(h, err))
	s.logConnect(h, status, err)
	handshakeEnd(h.span, &r)
	if s.observing() {
		s.observe(r)
	}
}

// refusedBy is the step that refused a handshake; "" for one that came in.
func refusedBy(h *handshake, err error) step {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errStopped):
		return stepCapacity
	}
	return h.step
}
