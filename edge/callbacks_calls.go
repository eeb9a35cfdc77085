package edge

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
)

// post sends the body as one message: text, unless the caller asks for binary. A Content-Type can't ask for it, because
// the AWS SDKs send application/octet-stream with text (contract/websocket-api.md §9.1).
func (h *callbacks) post(r *http.Request, x *callbackExchange, read func() ([]byte, error)) (callbackAnswer, error) {
	body, err := read()
	x.record.BytesIn = len(body)
	if err != nil {
		return callbackAnswer{}, err
	}
	push := gateway.Push{Body: body, Binary: strings.EqualFold(r.Header.Get(bus.HeaderOpcode), bus.OpcodeBinary)}
	if !push.Binary && !utf8.Valid(body) {
		return callbackAnswer{}, gateway.Errorf(gateway.CodeBadRequest,
			"The message is not UTF-8 text; send the header %s: %s for a binary frame", bus.HeaderOpcode, bus.OpcodeBinary)
	}
	err = h.call(x, func(ctx context.Context, c gateway.Connections) error { return c.Post(ctx, x.ref, push) })
	return callbackAnswer{status: http.StatusOK}, err
}

// get answers with the status of the connection (contract/websocket-api.md §9.2).
func (h *callbacks) get(x *callbackExchange) (callbackAnswer, error) {
	var s gateway.ConnectionStatus
	err := h.call(x, func(ctx context.Context, c gateway.Connections) (err error) {
		s, err = c.Get(ctx, x.ref)
		return err
	})
	if err != nil {
		return callbackAnswer{}, err
	}
	body, err := bus.StatusBody(s)
	return callbackAnswer{status: http.StatusOK, body: body}, err
}

func (h *callbacks) delete(r *http.Request, x *callbackExchange) (callbackAnswer, error) {
	c, err := askedClose(r)
	if err != nil {
		return callbackAnswer{}, err
	}
	err = h.call(x, func(ctx context.Context, o gateway.Connections) error { return o.Delete(ctx, x.ref, c) })
	return callbackAnswer{status: http.StatusNoContent}, err
}

// askedClose reads the close code and the reason that a caller asks for: parameters of the query, for callers who can't set
// headers, or else headers. The owner of the connection knows which codes and reasons may be sent.
func askedClose(r *http.Request) (gateway.Close, error) {
	query := r.URL.Query()
	c := gateway.Close{Reason: r.Header.Get(bus.HeaderCloseReason)}
	if query.Has(queryCloseReason) {
		c.Reason = query.Get(queryCloseReason)
	}
	text, name := r.Header.Get(bus.HeaderCloseCode), bus.HeaderCloseCode
	if query.Has(queryCloseCode) {
		text, name = query.Get(queryCloseCode), queryCloseCode
	}
	if text == "" {
		return c, nil
	}
	var err error
	if c.Code, err = strconv.Atoi(text); err != nil {
		return c, gateway.Errorf(gateway.CodeBadRequest, "%s is not a number", name)
	}
	return c, nil
}
