package backend

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// The limits of the shared transport.
const (
	// dialTimeout: a backend that does not take a connection in this time is unreachable; it leaves most of a route's
	// 29 s to nothing worse than one lost SYN (Linux sends it again after 1 s and 3 s).
	dialTimeout = 5 * time.Second
	// handshakeTimeout bounds TLS after the connection stands.
	handshakeTimeout = 5 * time.Second
	// keepAlive finds a backend's host that vanished while a connection was idle.
	keepAlive = 15 * time.Second
	// idleTimeout is below the 5 s after which Node's server, Apache and uvicorn close an idle connection: an event that is
	// sent just as the backend closes is lost, since one that may have had an effect is not sent twice
	// (contract/http-api.md §7.11). A backend that closes earlier (gunicorn's default is 2 s) should be told to wait longer.
	idleTimeout = 4 * time.Second
	// maxIdle bounds what a quiet process keeps open in all, maxIdlePerHost what one backend may hold of it. net/http's
	// own default of 2 per host would dial anew for nearly every event.
	maxIdle        = 1024
	maxIdlePerHost = 256
	// maxPerHost keeps one slow backend from taking every file descriptor; calls beyond it wait within their timeout.
	maxPerHost = 1024
	// maxResponseHeader is what DESIGN §3.10 sets aside for headers in a message of the bus.
	maxResponseHeader = 64 << 10
	// expectContinue is unused while we strip Expect; set so that a mapped one cannot wait for ever.
	expectContinue = time.Second
)

// NewTransport returns a pool of connections to HTTP backends: the one that New makes for a Client, also for tests that
// look into it. HTTP_PROXY and its relatives are obeyed as Go programs do; TLS below 1.2 is never spoken
// (contract/http-api.md §7.7).
func NewTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // as Amazon's (contract/http-api.md §7.7)
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    handshakeTimeout,
		DisableCompression:     true, // bodies pass as the backend made them
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxConnsPerHost:        maxPerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		ExpectContinueTimeout:  expectContinue,
		Protocols:              protocols,
	}
}
