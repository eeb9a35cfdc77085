package backend

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// copiedBytes is up to where a body is copied for the transport. net/http sends a copy together with the head in one
// write, a lent body in a second one; beyond this size the copy costs more than the write.
const copiedBytes = 64 << 10

// lent is an event's body on loan to the transport. net/http may read a request's body after RoundTrip has returned,
// as it does when a backend answers before it has read everything, and says when it is done only by closing it. An
// Invoker must not keep a body after it returned, so the call waits for every reader that it handed out; the transport
// closes them when it gives the connection back or up.
type lent struct {
	body []byte
	out  sync.WaitGroup // readers handed out and not closed
}

// attach makes the body that of r, also for the transport's own second attempt on a connection that the backend had
// closed while it was idle.
func (l *lent) attach(r *http.Request) {
	r.ContentLength = int64(len(l.body))
	switch {
	case len(l.body) == 0:
		r.Body = http.NoBody
		return
	case len(l.body) <= copiedBytes:
		own := bytes.Clone(l.body)
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(own)), nil }
		r.Body = io.NopCloser(bytes.NewReader(own))
		return
	}
	r.GetBody = func() (io.ReadCloser, error) { return l.reader(), nil }
	r.Body = l.reader()
}

func (l *lent) reader() *lentReader {
	l.out.Add(1)
	return &lentReader{Reader: *bytes.NewReader(l.body), back: l.out.Done}
}

// wait returns when nobody reads the body any more.
func (l *lent) wait() { l.out.Wait() }

type lentReader struct {
	bytes.Reader
	once sync.Once
	back func()
}

// Close gives the loan back; further calls do nothing.
func (r *lentReader) Close() error {
	r.once.Do(r.back)
	return nil
}
