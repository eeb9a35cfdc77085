package load

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/bench/wire"
	"github.com/sallyport/sallyport/gateway"
)

func isClosed(err error) bool { return errors.Is(err, wire.ErrClosed) }

// newPushSender makes what pushes: NATS when the job has its URL, else HTTP.
func newPushSender(ctx context.Context, w *Worker) (sender, error) {
	message := newTemplate(w.job.Message, w.job.Size)
	if w.job.NATS != "" {
		return newNATSSender(w, message)
	}
	base := w.job.Callback
	if base == "" {
		base = w.job.URLs[0]
	}
	target, err := wire.NewTarget(ctx, wire.HTTP, wire.TargetConfig{URL: base, Header: w.job.Header, Insecure: w.job.Insecure})
	if err != nil {
		return nil, fmt.Errorf("--callback: %w", err)
	}
	path, _, _ := strings.Cut(target.Path, "?")
	w.callers = newCallers(w, target)
	s := &postSender{w: w, message: message, prefix: strings.TrimSuffix(path, "/") + "/%40connections/"}
	w.callers.failed = func(index int, now time.Duration) {
		if f, ok := w.scenario.(interface{ failed(int, time.Duration) }); ok {
			f.failed(index, now)
		}
	}
	return s, nil
}

// redacted hides a password.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL that can't be read"
	}
	return u.Redacted()
}

// postSender pushes by POST {callback}/@connections/{id}, with the @ escaped as the AWS SDKs do.
type postSender struct {
	w       *Worker
	message *template
	prefix  string
}

func (s *postSender) send(index int, due time.Duration) bool {
	body := s.message.render(nil, s.w.news.Sent, s.w.number(index))
	s.w.callers.do(call{path: s.prefix + escapeID(s.w.peers[index].id), body: body, index: index, due: due, began: s.w.loop.Now()})
	return true
}

// escapeID writes the final = of an id as the AWS SDKs do.
func escapeID(id gateway.ConnectionID) string {
	return strings.ReplaceAll(url.PathEscape(string(id)), "=", "%3D")
}

// natsSender pushes by a publish to the connection's subject. Nobody answers it, so that a connection that is gone is
// seen by what does not arrive.
type natsSender struct {
	w       *Worker
	message *template
	conn    *nats.Conn
	prefix  string
	buffer  []byte
}

func newNATSSender(w *Worker, message *template) (*natsSender, error) {
	prefix, err := pushSubject(&w.job)
	if err != nil {
		return nil, err
	}
	options := []nats.Option{nats.Name("sallyport bench"), nats.NoReconnect()}
	if w.job.NATSCreds != "" {
		options = append(options, nats.UserCredentials(w.job.NATSCreds))
	}
	conn, err := nats.Connect(w.job.NATS, options...)
	if err != nil {
		return nil, fmt.Errorf("--nats %s: %w", redacted(w.job.NATS), err)
	}
	w.closer = conn.Close
	return &natsSender{w: w, message: message, conn: conn, prefix: prefix}, nil
}

// pushSubject is the subject of pushes before the connection's id: Prefix, and the API and stage of the first URL.
func pushSubject(job *Job) (string, error) {
	u, err := url.Parse(job.URLs[0])
	if err != nil {
		return "", err
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) > 2 || parts[0] == "" {
		return "", fmt.Errorf("--nats needs the API and the stage to name the subject, and %s is not ws://HOST/{api}/{stage}", redacted(job.URLs[0]))
	}
	stage := string(gateway.StageDefault)
	if len(parts) == 2 {
		stage = parts[1]
	}
	return strings.Join([]string{job.Prefix, parts[0], stage, "@connections", ""}, "."), nil
}

func (s *natsSender) send(index int, _ time.Duration) bool {
	s.buffer = s.message.render(s.buffer, s.w.news.Sent, s.w.number(index))
	if err := s.conn.Publish(s.prefix+string(s.w.peers[index].id), s.buffer); err != nil {
		s.w.fatal = fmt.Errorf("publish to %s: %w", redacted(s.w.job.NATS), err)
		return false
	}
	return true
}
