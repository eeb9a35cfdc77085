package edge

import (
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// handshakeRefusal is the HTTP answer that ends a handshake. It is an error, so that each step can return it.
type handshakeRefusal struct {
	status int
	code   gateway.Code
	header [][2]string // beside the length and the ids
	body   []byte
}

// Error returns the status line's text.
func (r *handshakeRefusal) Error() string { return http.StatusText(r.status) }

func refuseWith(status int, code gateway.Code, message string, header ...[2]string) *handshakeRefusal {
	return &handshakeRefusal{status: status, code: code, body: errorBody(message),
		header: append(header, [2]string{"Content-Type", jsonContentType})}
}

// refusalForbidden is Amazon's answer to unknown APIs and stages (contract/websocket-api.md §2).
func refusalForbidden() *handshakeRefusal {
	return refuseWith(http.StatusForbidden, gateway.CodeForbidden, "Forbidden", [2]string{headerErrorType, errorForbidden})
}

func refusalBadRequest() *handshakeRefusal {
	return refuseWith(http.StatusBadRequest, gateway.CodeBadRequest, "Bad Request")
}

func refusalHeadTooLong() *handshakeRefusal {
	return refuseWith(http.StatusRequestHeaderFieldsTooLarge, gateway.CodeTooLarge, "Request Header Fields Too Large")
}

func refusalMethod() *handshakeRefusal {
	return refuseWith(http.StatusMethodNotAllowed, gateway.CodeBadRequest, "Method Not Allowed", [2]string{"Allow", http.MethodGet})
}

// refusalVersion names the one version that we speak (RFC 6455 §4.4).
func refusalVersion() *handshakeRefusal {
	return refuseWith(http.StatusUpgradeRequired, gateway.CodeBadRequest, "Upgrade Required",
		[2]string{"Sec-WebSocket-Version", webSocketVersion})
}

// refusalUnavailable asks the client to come back: too many handshakes, no journal, or the edge is stopping.
func refusalUnavailable() *handshakeRefusal {
	return refuseWith(http.StatusServiceUnavailable, gateway.CodeUnavailable, "Service Unavailable", [2]string{"Retry-After", "1"})
}

// refusalTooMany asks a client to come back that opens connections faster than an address may.
func refusalTooMany() *handshakeRefusal {
	return refuseWith(http.StatusTooManyRequests, gateway.CodeThrottled, "Too Many Requests", [2]string{"Retry-After", "1"})
}

// refusalOf is the answer to a $connect that failed (contract/websocket-api.md §4.2).
func refusalOf(err error) *handshakeRefusal {
	code := gateway.ErrorCode(err)
	status, body := router.ConnectStatus(code)
	r := &handshakeRefusal{status: status, code: code, body: body, header: [][2]string{{"Content-Type", jsonContentType}}}
	if status == http.StatusForbidden { // the shape of a 403 of the gateway's own (contract/websocket-api.md §2)
		r.header = append(r.header, [2]string{headerErrorType, errorForbidden})
	}
	return r
}

// refusalMirror passes on what a $connect integration refused with: status, content type and body.
func refusalMirror(r *gateway.Reply) *handshakeRefusal {
	if r.Status < minFinalStatus || r.Status > maxFinalStatus {
		return refusalOf(gateway.Errorf(gateway.CodeIntegration, "not an HTTP status"))
	}
	m := &handshakeRefusal{status: r.Status, body: r.Body}
	if t := r.Header.Get("Content-Type"); t != "" && isFieldValue(t) {
		m.header = append(m.header, [2]string{"Content-Type", t})
	}
	if r.Status == http.StatusNotModified {
		m.body = nil // RFC 9110 §15.4.5
	}
	return m
}

// writeRefusal writes r, and sees to it that the client can read it to its end before the connection is closed.
func writeRefusal(nc net.Conn, r *handshakeRefusal) {
	if writeAnswer(nc, r) != nil {
		return // the client is gone
	}
	if half, ok := nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		readOut(nc)
	}
}

// writeAnswer writes r and nothing more.
func writeAnswer(nc net.Conn, r *handshakeRefusal) error {
	b := append([]byte("HTTP/1.1 "), strconv.Itoa(r.status)...)
	b = append(b, ' ')
	b = append(b, http.StatusText(r.status)...)
	b = append(b, "\r\n"...)
	b = appendHeader(b, "Date", time.Now().UTC().Format(http.TimeFormat))
	b = appendHeader(b, "Connection", "close")
	b = appendHeader(b, headerAmznRequestID, newUUID())
	b = appendHeader(b, "x-amz-apigw-id", string(gateway.NewRequestID()))
	for _, h := range r.header {
		b = appendHeader(b, h[0], h[1])
	}
	if r.status != http.StatusNotModified {
		b = appendHeader(b, "Content-Length", strconv.Itoa(len(r.body)))
	}
	b = append(b, "\r\n"...)
	b = append(b, r.body...)
	_ = nc.SetDeadline(time.Now().Add(refusalTimeout))
	_, err := nc.Write(b)
	return err
}

// readOut reads what the client still sends, for a moment: closing a connection with unread bytes resets it, and the
// client would lose our answer.
func readOut(nc net.Conn) {
	var b [512]byte
	for range maxHeadBytes / len(b) {
		if _, err := nc.Read(b[:]); err != nil {
			return
		}
	}
}

func appendHeader(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
