package edge

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
)

// callbackAnswer is what a caller gets.
type callbackAnswer struct {
	status int
	// errorType is the exception that the AWS SDKs raise; they look at this header alone (contract/websocket-api.md §9.2).
	errorType string
	body      []byte
}

func (a callbackAnswer) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h[headerAmznRequestID] = []string{newUUID()}
	if a.errorType != "" {
		h[headerErrorType] = []string{a.errorType}
	}
	if len(a.body) > 0 {
		h["Content-Type"] = []string{jsonContentType}
	}
	if a.status != http.StatusNoContent {
		setLength(h, len(a.body))
	}
	if r.Method == http.MethodHead {
		a.body = nil
	}
	writeResponse(w, a.status, a.body)
}

// refusal is the table of contract/websocket-api.md §9.2 from failures to what callers see.
func (h *callbacks) refusal(r *http.Request, x *callbackExchange, err error) callbackAnswer {
	var unsigned *sigv4.Error
	if errors.As(err, &unsigned) { // its message repeats the request: for the caller's eyes alone
		x.record.Code, x.record.Error = gateway.CodeForbidden, unsigned.Summary()
		return callbackAnswer{http.StatusForbidden, unsigned.Type, unsigned.Body()}
	}
	code := gateway.ErrorCode(err)
	x.record.Code, x.record.Error = code, publicText(err)
	text := x.record.Error
	switch code {
	case gateway.CodeBadRequest:
		return callbackAnswer{http.StatusBadRequest, "BadRequestException", errorBody(text)}
	case gateway.CodeForbidden:
		return callbackAnswer{http.StatusForbidden, errorForbidden, errorBody(text)}
	case gateway.CodeNotFound:
		text = fmt.Sprintf("No method found matching route %s for http method %s.", strings.TrimPrefix(r.URL.EscapedPath(), "/"), r.Method)
		return callbackAnswer{http.StatusNotFound, "NotFoundException", errorBody(text)}
	case gateway.CodeGone:
		return callbackAnswer{status: http.StatusGone, errorType: "GoneException"}
	case gateway.CodeTooLarge:
		return callbackAnswer{http.StatusRequestEntityTooLarge, "PayloadTooLargeException", errorBody(text)}
	case gateway.CodeSlowClient:
		return callbackAnswer{status: http.StatusTooManyRequests, errorType: "LimitExceededException"}
	case gateway.CodeUnavailable, gateway.CodeTimeout:
		return callbackAnswer{http.StatusServiceUnavailable, "ServiceUnavailableException", errorBody("Service Unavailable")}
	}
	h.cfg.Logger.WarnContext(x.ctx, "callback failed", "method", r.Method, "connectionId", x.ref.ID, "error", err)
	return callbackAnswer{http.StatusInternalServerError, "InternalServerErrorException", errorBody("Internal server error")}
}

// errorBody is {"message":"…"} without HTML escapes and without a final newline.
func errorBody(message string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(struct { // a string always encodes
		Message string `json:"message"`
	}{message})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// newUUID returns a random UUID (RFC 9562 §5.4), the form of x-amzn-RequestId.
func newUUID() string {
	var b [16]byte // it names a call and opens nothing, so it need not come from crypto/rand
	binary.LittleEndian.PutUint64(b[:], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	const length = 36
	s := make([]byte, 0, length)
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			s = append(s, '-')
		}
		s = hex.AppendEncode(s, part)
	}
	return string(s)
}
