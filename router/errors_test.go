package router

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// allCodes are the codes of gateway/error.go, and one that is none.
func allCodes() []gateway.Code {
	return []gateway.Code{gateway.CodeForbidden, gateway.CodeNotFound, gateway.CodeBadRequest, gateway.CodeTooLarge, gateway.CodeGone,
		gateway.CodeSlowClient, gateway.CodeTimeout, gateway.CodeUnavailable, gateway.CodeIntegration, gateway.CodeInternal, "no code"}
}

func TestErrorFrame(t *testing.T) {
	const connection, request = "L0SM9cOFvHcCIhw=", "JCInYgIKPHcEJbQ="
	rest := `, "connectionId":"L0SM9cOFvHcCIhw=", "requestId":"JCInYgIKPHcEJbQ="}`
	internal := `{"message": "Internal server error"` + rest
	want := map[gateway.Code]string{
		gateway.CodeForbidden:   `{"message": "Forbidden"` + rest,
		gateway.CodeNotFound:    `{"message": "Forbidden"` + rest,
		gateway.CodeTimeout:     `{"message": "Endpoint request timed out"` + rest,
		gateway.CodeTooLarge:    `{"message": "Message too long"` + rest,
		gateway.CodeBadRequest:  `{"message": "Bad request body", "connectionId":"L0SM9cOFvHcCIhw=", "requestId":"JCInYgIKPHcEJbQ=", "messageId":"JCInYgIKPHcEJbQ="}`,
		gateway.CodeGone:        internal,
		gateway.CodeSlowClient:  internal,
		gateway.CodeUnavailable: internal,
		gateway.CodeIntegration: internal,
		gateway.CodeInternal:    internal,
		"no code":               internal,
	}
	for _, code := range allCodes() {
		got := ErrorFrame([]byte("x"), code, connection, request)
		if string(got) != "x"+want[code] {
			t.Errorf("%s: got %s, want %s behind x", code, got, want[code])
		}
		if !json.Valid(got[1:]) {
			t.Errorf("%s: not JSON: %s", code, got)
		}
	}
}

func TestErrorFrameDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = ErrorFrame(dst[:0], gateway.CodeForbidden, "L0SM9cOFvHcCIhw=", "JCInYgIKPHcEJbQ=") }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestStatusTables(t *testing.T) {
	type answer struct {
		status int
		text   string
	}
	internalConnect := answer{http.StatusInternalServerError, "Internal server error"}
	internalHTTP := answer{http.StatusInternalServerError, "Internal Server Error"}
	want := map[gateway.Code][2]answer{
		gateway.CodeForbidden:   {{403, "Forbidden"}, {403, "Forbidden"}},
		gateway.CodeNotFound:    {{403, "Forbidden"}, {404, "Not Found"}},
		gateway.CodeBadRequest:  {{400, "Bad Request"}, {400, "Bad Request"}},
		gateway.CodeTooLarge:    {{413, "Request Too Long"}, {413, "Request Entity Too Large"}},
		gateway.CodeTimeout:     {{504, "Endpoint request timed out"}, {503, "Service Unavailable"}},
		gateway.CodeUnavailable: {{504, "Network error communicating with endpoint"}, {503, "Service Unavailable"}},
		gateway.CodeIntegration: {{502, "Internal server error"}, internalHTTP},
		gateway.CodeInternal:    {internalConnect, internalHTTP},
		gateway.CodeGone:        {internalConnect, internalHTTP},
		gateway.CodeSlowClient:  {internalConnect, internalHTTP},
		"no code":               {internalConnect, internalHTTP},
	}
	for _, code := range allCodes() {
		for i, table := range []func(gateway.Code) (int, []byte){ConnectStatus, HTTPStatus} {
			status, body := table(code)
			expected := want[code][i]
			if status != expected.status || string(body) != `{"message":"`+expected.text+`"}` {
				t.Errorf("%s, table %d: got %d %s, want %v", code, i, status, body, expected)
			}
		}
	}
}
