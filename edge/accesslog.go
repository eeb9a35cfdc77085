package edge

import (
	"errors"
	"net/http"
	"time"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// One line per CONNECT, MESSAGE and DISCONNECT event of a stage that has an access log (contract/websocket-api.md §12).

// accessLine writes the line of an event that has ended, where p's stage wants one.
func (s *Server) accessLine(p *router.Program, e *accesslog.Entry) {
	log := p.AccessLog()
	if log == nil {
		return
	}
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	buf.b = log.Format.Append(buf.b, e)
	s.cfg.AccessLog(log.Destination, buf.b)
}

// logs reports whether p's stage has an access log.
func logs(p *router.Program) bool { return p != nil && p.AccessLog() != nil }

// logConnect writes the line of a handshake that got as far as being a connection.
func (s *Server) logConnect(h *handshake, status int, err error) {
	if !logs(h.program) || h.request == "" {
		return
	}
	e := accesslog.Entry{Status: status, IntegrationStatus: h.backendStatus, Integration: h.backendTook > 0, Latency: h.backendTook, Admission: h.admission}
	if status == http.StatusSwitchingProtocols {
		e.Status = http.StatusOK // as Amazon's logs count a connect that was let in
	} else if e.Err, e.Validation = refusalError(err), validationText(err); e.IntegrationStatus == status {
		e.Err = nil // the backend's own word
	}
	e.Context = s.lifeContext(h.program, h.conn, event.MessageInfo{
		Kind: gateway.EventConnect, Request: h.request, Time: h.arrived, Query: &event.QueryInfo{Raw: h.eventQuery()},
	}, gateway.RouteConnect)
	s.accessLine(h.program, &e)
}

// refusalError is the failure behind a refused handshake in the log's terms. Where no integration was asked, an edge that
// has no room or no journal is no failure of one.
func refusalError(err error) error {
	var failed *gateway.Error
	if errors.As(err, &failed) {
		return err
	}
	r := asRefusal(err)
	code := r.code
	if code == gateway.CodeUnavailable {
		code = gateway.CodeInternal
	}
	return gateway.Errorf(code, "%s", r.Error())
}

// lifeContext is the context of a connect or disconnect, also where no route runs it.
func (s *Server) lifeContext(p *router.Program, c *gateway.Connection, m event.MessageInfo, key gateway.RouteKey) []byte {
	conn := *c
	if m.Query != nil {
		conn.Handshake = nil // the event has the query as its own
	}
	b := event.AppendConnection(nil, &conn)
	if route := p.Route(key); route != nil {
		b = append(b, route.Context()...)
	} else {
		b = event.AppendRoute(b, event.RouteInfo{RouteKey: key, Deployment: p.Deployment(), StageVariables: p.Variables()})
	}
	return event.AppendMessage(b, m)
}

// logMessage writes the line of a message whose integration was asked. status is the backend's, 0 where it is not known.
func (x *exchange) logMessage(p *router.Program, status int, took time.Duration, err error) {
	if !logs(p) {
		return
	}
	x.server.accessLine(p, &accesslog.Entry{
		Context: x.event.Context, Status: messageStatus(err), IntegrationStatus: status, Integration: took > 0, Latency: took, Err: err,
	})
}

// logRefused writes the line of a message that reached no integration.
func (s *Server) logRefused(k *socket, p *router.Program, r gateway.RequestID, start time.Time, route gateway.RouteKey, err error) {
	if !logs(p) {
		return
	}
	b := k.appendContext(nil)
	if found := p.Route(route); found != nil {
		b = append(b, found.Context()...)
	}
	e := accesslog.Entry{Status: messageStatus(err), Err: err, Validation: validationText(err)}
	e.Context = event.AppendMessage(b, event.MessageInfo{Kind: gateway.EventMessage, Request: r, MessageID: r, Time: start})
	s.accessLine(p, &e)
}

// logDisconnect writes the line of a connection's end; took is 0 where no integration was asked.
func (s *Server) logDisconnect(p *router.Program, g *goodbye, took time.Duration, err error) {
	if !logs(p) {
		return
	}
	s.accessLine(p, &accesslog.Entry{
		Context: s.lifeContext(p, &g.conn, event.MessageInfo{
			Kind: gateway.EventDisconnect, Request: disconnectRequestID(g.conn.ID), Time: s.now(), Disconnect: &g.close,
		}, gateway.RouteDisconnect),
		Status: messageStatus(err), Integration: took > 0, Latency: took, Err: err,
	})
}

// messageStatus is the HTTP status that stands for how a message ended.
func messageStatus(err error) int {
	if err == nil {
		return http.StatusOK
	}
	status, _ := router.ConnectStatus(gateway.ErrorCode(err))
	return status
}

// validationText is what a model found wrong with a message, or which parameter a handshake lacks: for the log of the API's
// owner, never for the client.
func validationText(err error) string {
	if gateway.ErrorCode(err) != gateway.CodeBadRequest {
		return ""
	}
	if e, ok := err.(*gateway.Error); ok && e.Cause != nil { //nolint:errorlint // the router's own error
		return e.Cause.Error()
	}
	return ""
}
