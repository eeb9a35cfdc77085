package control

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/gateway"
)

const pathDrain = "/v1/drain"

// DrainStatus is how far a process that drains is: one line of the answer to POST /v1/drain.
type DrainStatus struct {
	Node string `json:"node"`
	// Clients is how many there were when the drain began.
	Clients int `json:"clients"`
	// Open clients had no turn yet or wait for answers, Closing ones have their close frame, Connecting ones are in their
	// handshakes.
	Open       int `json:"open"`
	Closing    int `json:"closing"`
	Connecting int `json:"connecting"`
	// Disconnects are $disconnect events that are not settled.
	Disconnects int `json:"disconnects"`
	// Drained says that the edge is empty and the process is about to end. It is the last line.
	Drained bool `json:"drained"`
}

// drain answers POST /v1/drain: the process stops as SIGTERM makes it, and lines of JSON say how far it is. Who leaves
// early does not stop the drain; who asks again sees the rest of it.
func (s *Server) drain(w http.ResponseWriter, r *http.Request, call managedCall) {
	_, err := parameters(r.URL)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
		return
	case !call.caller.Allows(accesskeys.ActionManage, ""): // all APIs' clients have to go
		refuseCaller(w, deniedManage(call.caller))
		return
	case s.cfg.Drain == nil:
		refuse(w, http.StatusNotFound, "This process can't be drained")
		return
	case !s.lists.take():
		refuse(w, http.StatusTooManyRequests, "Too many watch already; try again")
		return
	}
	defer s.lists.leave()
	out := newLines(w)
	out.end(s.cfg.Drain(r.Context(), func(d DrainStatus) bool {
		line, err := json.Marshal(d)
		return err == nil && out.write(line) == nil && out.flush() == nil
	}))
}

// Drain makes the process drain and end, and calls yield with how far it is, until yield returns false or the edge is
// empty; the last status says so. An error means that this is not known.
func (c *Client) Drain(ctx context.Context, yield func(DrainStatus) bool) error {
	var broken error
	over := false
	err := c.lines(ctx, call{method: http.MethodPost, path: pathDrain}, func(line []byte) bool {
		var status DrainStatus
		if broken = json.Unmarshal(line, &status); broken != nil {
			return false
		}
		over = status.Drained
		if !yield(status) {
			over = true
			return false
		}
		return true
	})
	switch {
	case broken != nil:
		return c.notALine(broken)
	case err == nil && !over:
		return gateway.Errorf(gateway.CodeUnavailable, "the gateway at %s went away before it was drained", c.base)
	}
	return err
}
