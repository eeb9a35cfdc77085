package control

import (
	"errors"
	"net/http"

	"github.com/sallyport/sallyport/gateway"
)

// statusOf is the table from codes to the statuses of /v1, those of callbacks where they have one.
func statusOf(code gateway.Code) int {
	switch code {
	case gateway.CodeBadRequest:
		return http.StatusBadRequest
	case gateway.CodeForbidden:
		return http.StatusForbidden
	case gateway.CodeNotFound:
		return http.StatusNotFound
	case gateway.CodeGone:
		return http.StatusGone
	case gateway.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case gateway.CodeSlowClient:
		return http.StatusTooManyRequests
	case gateway.CodeUnavailable:
		return http.StatusServiceUnavailable
	case gateway.CodeTimeout:
		return http.StatusGatewayTimeout
	case gateway.CodeIntegration:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

// codeOf is the way back, for the client.
func codeOf(status int) gateway.Code {
	for _, code := range []gateway.Code{
		gateway.CodeBadRequest, gateway.CodeForbidden, gateway.CodeNotFound, gateway.CodeGone, gateway.CodeTooLarge,
		gateway.CodeSlowClient, gateway.CodeUnavailable, gateway.CodeTimeout, gateway.CodeIntegration,
	} {
		if statusOf(code) == status {
			return code
		}
	}
	return gateway.CodeInternal
}

// publicError returns what may be shown of an error: nothing of one that is not ours.
func publicError(err error) (gateway.Code, string) {
	var e *gateway.Error
	if errors.As(err, &e) {
		return e.Code, e.Message
	}
	return gateway.CodeInternal, "Internal Server Error"
}
