package edge

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// The headers that Amazon's gateways put on their answers, in their spelling (contract/websocket-api.md §2,
// contract/http-api.md §5.4).
const (
	headerErrorType     = "x-amzn-ErrorType"
	headerAmznRequestID = "x-amzn-RequestId"
	headerAPIGWRequest  = "Apigw-Requestid"

	errorForbidden = "ForbiddenException"

	jsonContentType = "application/json"
)

const (
	// responseTimeout is how long a client may take to read a response: as long as for sending a body.
	responseTimeout = bodyTimeout
	// minFinalStatus: net/http sends 1xx as interim responses, so none of them can end a request.
	minFinalStatus = 200
	maxFinalStatus = 599
	// statusClientGone stands in records for requests whose client left before the answer; nginx made it known.
	statusClientGone = 499
)

// checkStatus refuses replies that are no HTTP response; a status of 0 stands for 200.
func checkStatus(reply *gateway.Reply) error {
	if s := reply.Status; s != 0 && (s < minFinalStatus || s > maxFinalStatus) {
		return gateway.Errorf(gateway.CodeIntegration, "Internal Server Error").
			Because(errors.New("the backend's status " + strconv.Itoa(s) + " can't end a request"))
	}
	return nil
}

// respond writes a backend's reply.
func (f *httpFront) respond(w http.ResponseWriter, r *http.Request, x *httpExchange, reply *gateway.Reply) {
	status := reply.Status
	if status == 0 {
		status = http.StatusOK
	}
	h := w.Header()
	copyReplyHeader(h, reply.Header)
	h[headerAPIGWRequest] = []string{string(x.record.Request)}
	body := reply.Body
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified:
		body = nil // RFC 9110 §15.3.5, §15.4.5: no body, and no length of one
	case r.Method == http.MethodHead:
		setLengthOfHead(h, reply)
		body = nil
	default:
		setLength(h, len(body))
	}
	f.write(w, r, x, status, body)
}

// copyReplyHeader leaves out what ends at this hop, what is reserved and what the gateway sets itself
// (contract/http-api.md §6.7). Names are in net/http's spelling, so that it finds the backend's Content-Type.
func copyReplyHeader(dst http.Header, src gateway.Header) {
	options := connectionOptions(src)
	dst["Content-Type"] = nil // net/http shall not guess one
	for name, values := range src {
		key := http.CanonicalHeaderKey(name)
		switch {
		case perHop(name, options), bus.Reserved(name), strings.HasPrefix(key, http.TrailerPrefix):
		case key == "Content-Length", key == "Date", key == headerAPIGWRequest:
		default:
			dst[key] = append(slices.Clip(dst[key]), values...)
		}
	}
}

func setLength(h http.Header, n int) { h["Content-Length"] = []string{strconv.Itoa(n)} }

// setLengthOfHead: the answer to HEAD has the length that GET's body would have; a backend that sent no body may say it.
func setLengthOfHead(h http.Header, reply *gateway.Reply) {
	if length := reply.Header.Get("Content-Length"); len(reply.Body) == 0 && length != "" {
		if n, err := strconv.ParseUint(length, 10, 63); err == nil {
			h["Content-Length"] = []string{strconv.FormatUint(n, 10)}
		}
		return
	}
	setLength(h, len(reply.Body))
}

// refuse writes the answer for a failure: contract/http-api.md §5 by router's table, or a refusal of the front's own.
func (f *httpFront) refuse(w http.ResponseWriter, r *http.Request, x *httpExchange, err error) {
	status, body := router.HTTPStatus(gateway.ErrorCode(err))
	x.record.Code, x.record.Error = gateway.ErrorCode(err), publicText(err)
	h := w.Header()
	var own *refusal
	if errors.As(err, &own) {
		status, body = own.status, errorBody(own.message)
		x.record.Code = own.code
		for name, values := range own.header {
			h[name] = values
		}
	} else {
		f.log(x, err)
	}
	if own == nil || own.header == nil {
		h[headerAPIGWRequest] = []string{string(x.record.Request)}
	}
	h["Content-Type"] = []string{jsonContentType}
	setLength(h, len(body))
	if r.Method == http.MethodHead {
		body = nil
	}
	f.write(w, r, x, status, body)
}

func (f *httpFront) write(w http.ResponseWriter, r *http.Request, x *httpExchange, status int, body []byte) {
	x.record.Status, x.record.BytesOut = status, len(body)
	writeResponse(w, status, body)
	if errors.Is(r.Context().Err(), context.Canceled) {
		x.record.Status, x.record.BytesOut = statusClientGone, 0
	}
}

// writeResponse gives the client responseTimeout to take the answer. An error means that it is gone; nothing is left to do.
func writeResponse(w http.ResponseWriter, status int, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(responseTimeout))
	w.WriteHeader(status)
	if len(body) > 0 {
		_, _ = w.Write(body)
	}
}

// publicText is what may be shown of err.
func publicText(err error) string {
	var own *refusal
	if errors.As(err, &own) {
		return own.message
	}
	return publicMessage(err)
}
