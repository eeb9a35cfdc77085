package edge

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// localConnections is the @connections API for the sockets of this edge. Every callback, over HTTP or NATS, ends here
// when the edge owns the connection.
type localConnections struct{ server *Server }

// The callbacks' methods as records and metrics name them: those of the HTTP API.
const (
	callbackPost   = "POST"
	callbackGet    = "GET"
	callbackDelete = "DELETE"
)

func errGone() *gateway.Error {
	return gateway.Errorf(gateway.CodeGone, "the connection is gone")
}

// find returns the open socket that ref addresses. One of another API or stage is as good as gone.
func (l localConnections) find(ref gateway.ConnectionRef) (*socket, error) {
	if err := l.server.ours(); err != nil {
		return nil, err
	}
	k := l.server.hub.get(ref.ID)
	if k == nil || ref.API != "" && ref.API != k.conn.API || ref.Stage != "" && ref.Stage != k.conn.Stage {
		return nil, errGone()
	}
	return k, nil
}

// Post sends p as one message. Text must be UTF-8; whoever takes the callback from outside has checked that.
func (l localConnections) Post(ctx context.Context, ref gateway.ConnectionRef, p gateway.Push) error {
	start := l.server.now()
	_, end := l.server.tracing.callback(ctx, callbackPost, ref)
	k, err := l.find(ref)
	if gateway.ErrorCode(err) == gateway.CodeGone {
		if at, held, refused := l.server.held.add(ref, p); held {
			end(refused)
			l.heldTold(at, start, len(p.Body), refused)
			return refused
		}
		k, err = l.find(ref) // it may have opened just now
	}
	if err == nil {
		err = l.push(k, p)
	}
	end(err)
	if err == nil {
		l.observe(callbackPost, k.ref(), start, len(p.Body), nil)
		return nil
	}
	l.told(callbackPost, ref, k, start, len(p.Body), err)
	return err
}

// push sends p to the client of k and counts it.
func (l localConnections) push(k *socket, p gateway.Push) error {
	program := l.server.program(k.conn.API, k.conn.Stage)
	if program == nil {
		return errGone()
	}
	limits := program.Limits()
	if err := checkPush(p, limits); err != nil {
		return err
	}
	op := ws.OpText
	if p.Binary {
		op = ws.OpBinary
	}
	if err := k.push(op, p.Body, limits); err != nil {
		return err
	}
	l.server.metrics.pushed(program)
	return nil
}

// ref is the connection's whole address.
func (k *socket) ref() gateway.ConnectionRef {
	return gateway.ConnectionRef{API: k.conn.API, Stage: k.conn.Stage, ID: k.conn.ID}
}

// checkPush holds a message to the API's size and to RFC 6455.
func checkPush(p gateway.Push, limits gateway.Limits) error {
	switch {
	case len(p.Body) > limits.MaxMessageBytes:
		return gateway.Errorf(gateway.CodeTooLarge, "the message is longer than %d bytes", limits.MaxMessageBytes)
	case !p.Binary && !utf8.Valid(p.Body): // a client must end the connection over such a frame (RFC 6455 §8.1)
		return gateway.Errorf(gateway.CodeBadRequest, "the message is not UTF-8 text; ask for a binary frame")
	}
	return nil
}

// Get returns what the edge knows of the connection now.
func (l localConnections) Get(ctx context.Context, ref gateway.ConnectionRef) (gateway.ConnectionStatus, error) {
	start := l.server.now()
	_, end := l.server.tracing.callback(ctx, callbackGet, ref)
	k, err := l.find(ref)
	end(err)
	l.told(callbackGet, ref, k, start, 0, err)
	if err != nil {
		return gateway.ConnectionStatus{}, err
	}
	return k.status(), nil
}

// Delete closes the connection with c, 1000 unless it has a code.
func (l localConnections) Delete(ctx context.Context, ref gateway.ConnectionRef, c gateway.Close) error {
	start := l.server.now()
	_, end := l.server.tracing.callback(ctx, callbackDelete, ref)
	k, err := l.find(ref)
	if err == nil {
		if c.Code != 0 && !validCloseCode(c.Code) {
			err = gateway.Errorf(gateway.CodeBadRequest, "%d is no close code that may be sent", c.Code)
		} else {
			k.end(endByCallback(c))
		}
	}
	end(err)
	l.told(callbackDelete, ref, k, start, 0, err)
	return err
}

// told records and counts one callback; push counts the posts that were taken.
func (l localConnections) told(method string, ref gateway.ConnectionRef, k *socket, start time.Time, bytes int, err error) {
	code := gateway.ErrorCode(err)
	ref.API, ref.Stage = "", "" // what a caller says of an unknown connection may be anything
	if k != nil {
		ref.API, ref.Stage = k.conn.API, k.conn.Stage
	}
	l.server.metrics.callback(ref.API, ref.Stage, method, code)
	l.observe(method, ref, start, bytes, err)
}

// heldTold is told for a post that waits for its connection; what becomes of it is counted when that is known.
func (l localConnections) heldTold(ref gateway.ConnectionRef, start time.Time, bytes int, err error) {
	code := gateway.ErrorCode(err)
	l.server.metrics.callback(ref.API, ref.Stage, callbackPost, code)
	if err != nil {
		l.server.metrics.held(ref.API, ref.Stage, 1, code)
	}
	l.observe(callbackPost, ref, start, bytes, err)
}

func (l localConnections) observe(method string, ref gateway.ConnectionRef, start time.Time, bytes int, err error) {
	if !l.server.observing() {
		return
	}
	l.server.observe(event.Record{
		Time: start, API: ref.API, Stage: ref.Stage, Kind: event.KindCallback, Connection: ref.ID, Method: method,
		Code: gateway.ErrorCode(err), Error: publicMessage(err), Latency: l.server.now().Sub(start), BytesOut: bytes,
	})
}
