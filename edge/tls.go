package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// CertificateSource gives the certificate for a TLS handshake, as tls.Config.GetCertificate does. It is called
// concurrently, and may give another certificate each time.
type CertificateSource func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// newTLSConfig is the listener's policy: TLS 1.2 and 1.3 (contract/websocket-api.md §2), Go's own choice of suites and
// curves, and no HTTP/2, over which no browser makes WebSockets with us.
func newTLSConfig(source CertificateSource) *tls.Config {
	if source == nil {
		return nil
	}
	return &tls.Config{GetCertificate: source, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

// secured is a client's connection with TLS. The handshake is the front's visitor's. Close and CloseWrite never wait for
// the client, unlike those of crypto/tls: they are called with a socket's lock held and by the wheel's one goroutine.
type secured struct {
	*tls.Conn
	wire *wire
}

// secure puts TLS over an accepted connection, where the server has it.
func (s *Server) secure(nc net.Conn) net.Conn {
	if s.tls == nil {
		return nc
	}
	w := &wire{Conn: nc, raw: rawConn(nc), hello: maxHelloBytes}
	return &secured{Conn: tls.Server(w, s.tls), wire: w}
}

// shakeHands makes the TLS handshake of a connection that has TLS.
func shakeHands(nc net.Conn) error {
	s, ok := nc.(*secured)
	if !ok {
		return nil
	}
	err := s.Handshake()
	s.wire.shaken = true
	return err
}

// Close tells the client of the end, if the kernel takes that at once, and closes the connection.
func (s *secured) Close() error {
	s.wire.end()
	return s.Conn.Close()
}

// CloseWrite tells the client that no more comes, by TLS and by TCP.
func (s *secured) CloseWrite() error {
	s.wire.end()
	if err := s.Conn.CloseWrite(); err != nil {
		return err
	}
	return s.wire.CloseWrite()
}

// wire is the connection under TLS.
type wire struct {
	net.Conn
	raw    syscall.RawConn // nil where the connection has no descriptor that we can use
	hello  int             // how many bytes the client may still send for its handshake
	shaken bool            // the handshake is over, one way or the other
	ending atomic.Bool
}

var errHelloTooLong = errors.New("the TLS handshake is too long")

// Read bounds what a client may send before its handshake is through: crypto/tls would take 64 KiB.
func (w *wire) Read(b []byte) (int, error) {
	if w.shaken {
		return w.Conn.Read(b)
	}
	if w.hello == 0 {
		return 0, errHelloTooLong
	}
	n, err := w.Conn.Read(b[:min(len(b), w.hello)])
	w.hello -= n
	return n, err
}

// end makes writes give up instead of waiting: the one under way, and what crypto/tls writes at the end.
func (w *wire) end() {
	if !w.ending.Swap(true) {
		_ = w.Conn.SetWriteDeadline(time.Unix(1, 0)) // long past
	}
}

// Write waits for the client to read, but not at the end.
func (w *wire) Write(b []byte) (int, error) {
	if !w.ending.Load() {
		return w.Conn.Write(b)
	}
	if w.raw == nil {
		_ = w.Conn.SetWriteDeadline(time.Now().Add(noticeTimeout))
		return w.Conn.Write(b)
	}
	n := 0
	var refused error
	if err := w.raw.Control(func(fd uintptr) { n, refused = writeDescriptor(fd, b) }); err != nil {
		return 0, err
	}
	if n < len(b) && refused == nil {
		refused = io.ErrShortWrite
	}
	return n, refused
}

// SetWriteDeadline leaves the end's deadline alone, for which crypto/tls would allow the client five seconds.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.ending.Load() {
		return nil
	}
	return w.Conn.SetWriteDeadline(t)
}

// CloseWrite ends the outgoing direction of TCP.
func (w *wire) CloseWrite() error {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return io.ErrClosedPipe
}

// refuseUnsecured answers a client that spoke HTTP where TLS was due, with net/http's words, and reports whether err says
// so.
func refuseUnsecured(err error) bool {
	var first tls.RecordHeaderError
	if !errors.As(err, &first) || first.Conn == nil || !plausible(first.RecordHeader[:]) {
		return false
	}
	writeRefusal(first.Conn, &handshakeRefusal{
		status: http.StatusBadRequest, header: [][2]string{{"Content-Type", "text/plain; charset=utf-8"}},
		body: []byte("Client sent an HTTP request to an HTTPS server.\n"),
	})
	return true
}

// The schemes of what a client asks for.
const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// scheme is that of the data listener.
func (s *Server) scheme() string {
	if s.tls == nil {
		return schemeHTTP
	}
	return schemeHTTPS
}

// schemeOf is that of a request; dispatch has noted it.
func schemeOf(r *http.Request) string {
	if r.TLS == nil {
		return schemeHTTP
	}
	return schemeHTTPS
}

// headerProto is what Amazon's gateway says of a client's scheme, and what a proxy in front of us may have said before.
const headerProto = "X-Forwarded-Proto"

// tellScheme notes in an event's header that the client came by TLS. Without the word it came by plain HTTP, which
// schemas/proxy adds where Amazon's events have it. What a proxy in front says stands.
func tellScheme(h gateway.Header, scheme string) {
	if scheme == schemeHTTPS && h.Get(headerProto) == "" {
		h.Set(headerProto, scheme)
	}
}
