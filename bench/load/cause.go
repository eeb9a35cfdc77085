package load

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/sallyport/sallyport/bench/wire"
)

// cause names why a connection failed or ended, in few words that can be counted.
func cause(err error) string {
	var status *wire.StatusError
	var closed *wire.CloseError
	switch {
	case errors.As(err, &status):
		return fmt.Sprintf("status %d", status.Status)
	case errors.As(err, &closed):
		return fmt.Sprintf("close code %d", closed.Code)
	case errors.Is(err, wire.ErrHandshake):
		return "handshake timeout"
	case errors.Is(err, wire.ErrClosed):
		return "closed by the server"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset by the server"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no port or source address left"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no descriptor left"
	case errors.Is(err, syscall.ETIMEDOUT):
		return "connect timeout"
	default:
		return err.Error()
	}
}

// Advice says what a failure means and what to do. url is what was dialled.
func Advice(err error, url string) error {
	var status *wire.StatusError
	if errors.As(err, &status) {
		return fmt.Errorf("%s answered the handshake with status %d%s%s", url, status.Status, quoted(status.Body), statusAdvice(status.Status))
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: start the server, or let --start do it", url)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("connections to %s: no port is left, or a source address is not this machine's: give more addresses with --source, as in --source 127.0.0.2-127.0.0.9", url)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("connections to %s: the process has no descriptor left: spread them with --processes, or raise ulimit -n", url)
	case errors.Is(err, wire.ErrHandshake):
		return fmt.Errorf("%s did not answer the handshake within %s: is the server overloaded, or the URL another protocol's?", url, wire.HandshakeTimeout)
	case errors.Is(err, wire.ErrClosed):
		return fmt.Errorf("%s closed the connection instead of answering: does the URL need wss:// or https://?", url)
	default:
		return fmt.Errorf("%s: %w", url, err)
	}
}

func quoted(body string) string {
	if body == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", body)
}

func statusAdvice(status int) string {
	switch status {
	case 200, 404, 405:
		return ": is this the path of a WebSocket?"
	case 301, 302, 307, 308:
		return ": redirects are not followed; give the URL it leads to"
	case 400:
		return ": does it need a header? Add it with --header 'Name: value'"
	case 401, 403:
		return ": is the path /{api}/{stage} right? Credentials go into --header 'Name: value'"
	case 426:
		return ": it wants another protocol or version; is it a WebSocket at all?"
	case 429, 503:
		return ": it takes no more now; use fewer --connections or a lower --connect-rate"
	default:
		return ""
	}
}
