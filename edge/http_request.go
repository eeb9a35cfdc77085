package edge

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

const (
	// bodyTimeout is how long a client may take to send a body: 10 MiB at 1.4 Mbit/s.
	bodyTimeout = 60 * time.Second
	// trustedBodyBytes is the most that is allocated because Content-Length says so; the rest grows as bytes arrive.
	trustedBodyBytes = 64 << 10
	// contextBytes is room for a context with a browser's usual path, query and User-Agent.
	contextBytes = 1 << 10
	// headerOverhead is what each header line has beside name and value: ": " and CRLF.
	headerOverhead = 4
)

// checkHead refuses what is over Amazon's bound on request line and headers (contract/http-api.md §15.6). The front
// bounds the first request of a connection itself; this is for those that follow.
func checkHead(r *http.Request) error {
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + headerOverhead
	size += len("Host") + len(r.Host) + headerOverhead
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + headerOverhead
		}
	}
	if size > maxHeadBytes {
		return &refusal{status: http.StatusRequestHeaderFieldsTooLarge, code: gateway.CodeTooLarge,
			message: "Request Header Fields Too Large"}
	}
	return nil
}

// readBody reads at most limit bytes within bodyTimeout; a limit of 0 is the ceiling of all bodies.
func readBody(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength == 0 || r.Body == nil {
		return nil, nil
	}
	if limit <= 0 {
		limit = gateway.MaxBodyCeiling
	}
	if r.ContentLength > int64(limit) {
		return nil, bodyTooLarge()
	}
	control := http.NewResponseController(w)
	// A ResponseWriter without deadlines, as tests use it, can't hang on its body either.
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	from := r.Body
	if r.ContentLength < 0 || r.ContentLength > trustedBodyBytes { // else no more than the length is read anyway
		from = http.MaxBytesReader(w, from, int64(limit))
	}
	body, err := readBounded(from, r.ContentLength)
	_ = control.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, bodyTooLarge()
	case err != nil:
		return nil, gateway.Errorf(gateway.CodeBadRequest, "Bad Request").Because(err)
	}
	return body, nil
}

func readBounded(body io.Reader, length int64) ([]byte, error) {
	if length > 0 && length <= trustedBodyBytes {
		b := make([]byte, length)
		n, err := io.ReadFull(body, b)
		return b[:n], err
	}
	return io.ReadAll(body)
}

func bodyTooLarge() error {
	return gateway.Errorf(gateway.CodeTooLarge, "Request Entity Too Large")
}

// requestEvent is the event of a request (DESIGN §3.3).
func requestEvent(r *http.Request, m httpMatch, body []byte, x *httpExchange) *gateway.Event {
	return &gateway.Event{
		Kind:    gateway.EventRequest,
		API:     m.program.API(),
		Stage:   m.program.Stage(),
		Route:   m.route.Key(),
		Subject: m.route.Subject(),
		Expect:  gateway.ExpectReply,
		Timeout: m.route.Timeout(),
		Request: x.record.Request,
		Context: event.AppendRequest(make([]byte, 0, contextBytes), event.RequestInfo{
			API:            m.program.API(),
			Stage:          m.program.Stage(),
			Route:          m.route.Context(),
			Request:        x.record.Request,
			Time:           x.record.Time,
			DomainName:     router.WithoutPort(r.Host),
			Method:         r.Method,
			Path:           m.path,
			RawQueryString: r.URL.RawQuery,
			PathParameters: m.params,
			SourceIP:       peerIP(r.RemoteAddr),
			UserAgent:      r.UserAgent(),
			Protocol:       r.Proto,
		}),
		Header: clientHeader(r),
		Body:   body,
	}
}

// clientHeader is the client's header as events carry it: all but what concerns this connection alone and what would act
// on NATS or on us. net/http keeps Host apart; events do not, and they say that it was TLS.
func clientHeader(r *http.Request) gateway.Header {
	h := make(gateway.Header, len(r.Header)+1)
	options := connectionOptions(gateway.Header(r.Header))
	for name, values := range r.Header {
		if !perHop(name, options) && !bus.Reserved(name) {
			h[name] = values
		}
	}
	h["Host"] = []string{r.Host}
	tellScheme(h, schemeOf(r))
	return h
}

// connectionOptions are the header names that a message's Connection header declares to be its own.
func connectionOptions(h gateway.Header) []string {
	var options []string
	for name, lines := range h {
		if !strings.EqualFold(name, "Connection") {
			continue
		}
		for _, line := range lines {
			for option := range strings.SplitSeq(line, ",") {
				options = append(options, strings.TrimSpace(option))
			}
		}
	}
	return options
}

// perHop reports the headers that end at this hop (RFC 9110 §7.6.1, contract/http-api.md §7.8): the well-known ones and
// those among options. Expect was answered by net/http.
func perHop(name string, options []string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
		"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection":
		return true
	}
	return slices.ContainsFunc(options, func(o string) bool { return strings.EqualFold(o, name) })
}

// peerIP returns the address of a net/http RemoteAddr.
func peerIP(remote string) string {
	if a, err := netip.ParseAddrPort(remote); err == nil {
		return a.Addr().Unmap().WithZone("").String()
	}
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}
