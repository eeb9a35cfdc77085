package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// The headers of callbacks by which a caller asks for what Amazon's API has no words for (DESIGN §3.4).
const (
	headerOpcode      = "Sallyport-Opcode"
	headerCloseCode   = "Sallyport-Close-Code"
	headerCloseReason = "Sallyport-Close-Reason"

	opcodeBinary = "binary"
)

// maxCloseReason is what a close frame has room for (RFC 6455 §5.5).
const maxCloseReason = 123

// Post sends a message to a client.
func (c *Client) Post(ctx context.Context, ref gateway.ConnectionRef, p gateway.Push) error {
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	if p.Binary {
		header.Set(headerOpcode, opcodeBinary)
	}
	_, err := c.callback(ctx, ref, call{method: http.MethodPost, header: header, body: p.Body})
	return err
}

// statusBody is the answer to GET (contract/websocket-api.md §9.2).
type statusBody struct {
	ConnectedAt  time.Time `json:"connectedAt"`
	LastActiveAt time.Time `json:"lastActiveAt"`
	Identity     struct {
		SourceIP  string `json:"sourceIp"`
		UserAgent string `json:"userAgent"`
	} `json:"identity"`
}

// Get returns the status of a connection: what the callback API tells of it, and API and Stage as ref names them.
func (c *Client) Get(ctx context.Context, ref gateway.ConnectionRef) (gateway.ConnectionStatus, error) {
	text, err := c.callback(ctx, ref, call{method: http.MethodGet})
	if err != nil {
		return gateway.ConnectionStatus{}, err
	}
	var body statusBody
	if err := json.Unmarshal(text, &body); err != nil {
		return gateway.ConnectionStatus{}, gateway.Errorf(gateway.CodeIntegration,
			"%s answered with something that is no connection status: is that the gateway's --admin address?", c.base).Because(err)
	}
	return gateway.ConnectionStatus{
		Connection: gateway.Connection{
			ID: ref.ID, API: ref.API, Stage: ref.Stage,
			ConnectedAt: body.ConnectedAt, SourceIP: body.Identity.SourceIP, UserAgent: body.Identity.UserAgent,
		},
		LastActiveAt: body.LastActiveAt,
	}, nil
}

// Delete closes a connection.
func (c *Client) Delete(ctx context.Context, ref gateway.ConnectionRef, cl gateway.Close) error {
	header := http.Header{}
	if cl.Code != 0 {
		header.Set(headerCloseCode, strconv.Itoa(cl.Code))
	}
	if cl.Reason != "" {
		if !fitsCloseFrame(cl.Reason) {
			return gateway.Errorf(gateway.CodeBadRequest, "a close reason is one line of at most %d bytes", maxCloseReason)
		}
		header.Set(headerCloseReason, cl.Reason)
	}
	_, err := c.callback(ctx, ref, call{method: http.MethodDelete, header: header})
	return err
}

// fitsCloseFrame reports whether a reason can travel as a header and end in a close frame.
func fitsCloseFrame(reason string) bool {
	if len(reason) > maxCloseReason {
		return false
	}
	for i := range len(reason) {
		if reason[i] < ' ' || reason[i] == 0x7F {
			return false
		}
	}
	return true
}

// callback makes one @connections call and returns its body.
func (c *Client) callback(ctx context.Context, ref gateway.ConnectionRef, call call) ([]byte, error) {
	path, err := callbackPath(ref)
	if err != nil {
		return nil, err
	}
	call.path = path
	response, err := c.do(ctx, call)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, c.unreached(ctx, err)
	}
	return text, nil
}

// callbackPath is the address of a connection in path style (DESIGN §4): an API needs its stage.
func callbackPath(ref gateway.ConnectionRef) (string, error) {
	switch {
	case ref.ID == "":
		return "", gateway.Errorf(gateway.CodeBadRequest, "which connection? Its id is missing")
	case ref.API != "" && ref.Stage == "":
		return "", gateway.Errorf(gateway.CodeBadRequest, "the API %s is named without its stage", ref.API)
	}
	path := "/@connections/" + url.PathEscape(string(ref.ID))
	if ref.Stage != "" {
		path = "/" + url.PathEscape(string(ref.Stage)) + path
	}
	if ref.API != "" {
		path = "/" + url.PathEscape(string(ref.API)) + path
	}
	return path, nil
}
