package amazon

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations/backend"
)

// notInvoked is the error of an invocation that Lambda refused: the function is missing or throttled, the call is not
// permitted, or its payload is no JSON. The client gets Internal server error, at $connect 500 (contract/websocket-api.md
// §7.2, §7.5), whose code is CodeInternal there as it is with the LAMBDA kind.
func notInvoked(kind gateway.EventKind, answer *backend.Answer) error {
	if answer.Status >= http.StatusOK && answer.Status < http.StatusMultipleChoices {
		return nil // 202 of an asynchronous invocation too
	}
	code := gateway.CodeIntegration
	if kind == gateway.EventConnect {
		code = gateway.CodeInternal
	}
	return gateway.Errorf(code, "the function can't be invoked").Because(fmt.Errorf("the invoke endpoint answered %d", answer.Status))
}

// errorMessage is $integration.response.body.errorMessage: the text of a function's failure, "" for a success
// (contract/websocket-api.md §7.6).
func errorMessage(body []byte) string {
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return "" // gjson would look for an object anywhere, even inside a text
	}
	found := gjson.GetBytes(body, "errorMessage")
	if found.Type == gjson.Null {
		return ""
	}
	return found.String()
}
