package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// trailerError tells at the end of a stream why it ended; a stream that ended well has none. A status can't tell it any
// more, and a line would not be one of the stream's.
const trailerError = "Sallyport-Stream-Error"

const mediaLines = "application/x-ndjson"

// connections answers GET /v1/connections?api=&stage=: one line of JSON per live connection.
func (s *Server) connections(w http.ResponseWriter, r *http.Request) {
	query, err := parameters(r.URL, "api", "stage")
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
		return
	case s.cfg.Connections == nil:
		refuse(w, http.StatusNotFound, "This process holds no connections: it runs without the edge role")
		return
	case !s.lists.take():
		refuse(w, http.StatusTooManyRequests, fmt.Sprintf("%d lists are being read already; try again", MaxLists))
		return
	}
	defer s.lists.leave()
	ctx, cancel := s.streamContext(r)
	defer cancel()
	filter := ConnectionFilter{API: gateway.APIID(query.Get("api")), Stage: gateway.StageName(query.Get("stage"))}
	out := newLines(w)
	var broken error
	err = s.cfg.Connections(ctx, filter, func(c gateway.ConnectionStatus) bool {
		var line []byte
		if line, broken = json.Marshal(c); broken != nil {
			return false
		}
		return ctx.Err() == nil && out.write(line) == nil
	})
	switch {
	case s.streaming.Err() != nil:
		err = errStopping
	case err == nil:
		err = broken
	}
	out.end(err)
}

// tail answers GET /v1/tail?api=&route=: one line of JSON per event from now on, until somebody ends it.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) {
	query, err := parameters(r.URL, "api", "route")
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
		return
	case s.cfg.Subscribe == nil:
		refuse(w, http.StatusNotFound, "This process sees no events")
		return
	case !s.tails.take():
		refuse(w, http.StatusTooManyRequests, fmt.Sprintf("%d tails are open already; end one of them", MaxTails))
		return
	}
	defer s.tails.leave()
	ctx, cancel := s.streamContext(r)
	defer cancel()
	out := newLines(w)
	filter := TailFilter{API: gateway.APIID(query.Get("api")), Route: gateway.RouteKey(query.Get("route"))}
	events, err := s.cfg.Subscribe(ctx, filter)
	if err != nil {
		out.end(err)
		return
	}
	if out.flush() == nil { // the head tells the client that nothing is missed from now on
		out.end(s.follow(ctx, out, events))
	}
}

// follow writes events until the client leaves (nil), the server stops or the subscription ends.
func (s *Server) follow(ctx context.Context, out *lines, events <-chan []byte) error {
	quiet := time.NewTicker(heartbeat)
	defer quiet.Stop()
	for {
		select {
		case line, ok := <-events:
			if !ok && ctx.Err() != nil { // closed because the stream ends
				return s.ending()
			}
			if !ok {
				return gateway.Errorf(gateway.CodeUnavailable, "the subscription to the gateway's events ended")
			}
			if out.compact(line) != nil || len(events) == 0 && out.flush() != nil {
				return nil
			}
			quiet.Reset(heartbeat)
		case <-quiet.C:
			if out.write(nil) != nil || out.flush() != nil {
				return nil
			}
		case <-ctx.Done():
			return s.ending()
		}
	}
}

// ending is why a stream's context ended: the server stops, or the client left.
func (s *Server) ending() error {
	if s.streaming.Err() != nil {
		return errStopping
	}
	return nil
}

var errStopping = gateway.Errorf(gateway.CodeUnavailable, "the gateway is stopping")

// streamContext ends when the client leaves or the server stops.
func (s *Server) streamContext(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(s.streaming, cancel)
	return ctx, func() { stop(); cancel() }
}

// parameters reads a query of the known names, each at most once. Misspelt filters would silently choose everything.
func parameters(u *url.URL, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("malformed query")
	}
	for name, given := range values {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown query parameter %.40q; known are %s", name, strings.Join(known, ", "))
		}
		if len(given) > 1 {
			return nil, fmt.Errorf("the query parameter %s may be given once", name)
		}
	}
	return values, nil
}

// lines writes a stream of JSON lines. The handler's goroutine owns it.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
	buffer  bytes.Buffer
}

func newLines(w http.ResponseWriter) *lines {
	return &lines{w: w, control: http.NewResponseController(w)}
}

// begin writes the head.
func (l *lines) begin() {
	if l.begun {
		return
	}
	l.begun = true
	header := l.w.Header()
	header.Set("Content-Type", mediaLines)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Trailer", trailerError)
	_ = l.control.SetReadDeadline(time.Time{}) // the request is there; a stream may last longer than one has to come in
	l.w.WriteHeader(http.StatusOK)
}

// write adds one line; net/http sends it when its buffer is full, or at a flush. The server's time limit is that of short
// answers; a stream has one per write.
func (l *lines) write(line []byte) error {
	l.begin()
	_ = l.control.SetWriteDeadline(time.Now().Add(lineTimeout)) // not every writer has one
	l.buffer.Reset()
	l.buffer.Write(line)
	l.buffer.WriteByte('\n')
	_, err := l.w.Write(l.buffer.Bytes())
	return err
}

// compact adds JSON that came from elsewhere as one line, and leaves out what is no JSON.
func (l *lines) compact(text []byte) error {
	var line bytes.Buffer
	if json.Compact(&line, text) != nil {
		return nil
	}
	return l.write(line.Bytes())
}

func (l *lines) flush() error {
	l.begin()
	_ = l.control.SetWriteDeadline(time.Now().Add(lineTimeout)) // see write
	return l.control.Flush()
}

// end tells the client why the stream ended: by a status while that is possible, and then by the trailer.
func (l *lines) end(err error) {
	if err == nil {
		l.begin() // an empty list is a list
		return
	}
	code, message := publicError(err)
	if !l.begun {
		refuse(l.w, statusOf(code), message)
		return
	}
	l.w.Header().Set(trailerError, message)
}
