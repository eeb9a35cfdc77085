package router

import (
	"net/http"

	"github.com/sallyport/sallyport/gateway"
)

// The tables from a failure's Code to what the client sees, one function for each place in which a client can see one.
// The table of the callback API stands in edge, that of NATS headers in bus.

// ErrorFrame appends the error frame of a WebSocket message, byte for byte as Amazon writes it, odd spacing included
// (contract/websocket-api.md §5).
func ErrorFrame(dst []byte, code gateway.Code, c gateway.ConnectionID, r gateway.RequestID) []byte {
	dst = append(dst, `{"message": "`...)
	dst = append(dst, frameText(code)...)
	dst = append(dst, `", "connectionId":"`...)
	dst = append(dst, c...)
	dst = append(dst, `", "requestId":"`...)
	dst = append(dst, r...)
	if code == gateway.CodeBadRequest {
		// The guide prints messageId for this frame instead of requestId; both are sent.
		dst = append(dst, `", "messageId":"`...)
		dst = append(dst, r...)
	}
	return append(dst, `"}`...)
}

func frameText(code gateway.Code) string {
	switch code {
	case gateway.CodeForbidden, gateway.CodeNotFound:
		return "Forbidden"
	case gateway.CodeTimeout:
		return "Endpoint request timed out"
	case gateway.CodeBadRequest:
		return "Bad request body"
	case gateway.CodeTooLarge:
		return "Message too long"
	case gateway.CodeUnauthorized:
		return "Unauthorized"
	case gateway.CodeThrottled:
		return "Too Many Requests"
	case gateway.CodeUnsupportedMedia:
		return "Unsupported Media Type"
	}
	return "Internal server error"
}

// ConnectStatus returns the HTTP answer that refuses a handshake whose $connect failed (contract/websocket-api.md §4.2).
// A backend's own refusal is no failure: its status and body are passed on.
func ConnectStatus(code gateway.Code) (status int, body []byte) {
	switch code {
	case gateway.CodeForbidden, gateway.CodeNotFound:
		return http.StatusForbidden, message("Forbidden")
	case gateway.CodeUnauthorized:
		return http.StatusUnauthorized, message("Unauthorized")
	case gateway.CodeThrottled:
		return http.StatusTooManyRequests, message("Too Many Requests")
	case gateway.CodeUnsupportedMedia:
		return http.StatusUnsupportedMediaType, message("Unsupported Media Type")
	case gateway.CodeBadRequest:
		return http.StatusBadRequest, message("Bad Request")
	case gateway.CodeTooLarge:
		return http.StatusRequestEntityTooLarge, message("Request Too Long")
	case gateway.CodeIntegration:
		return http.StatusBadGateway, message("Internal server error")
	case gateway.CodeTimeout:
		return http.StatusGatewayTimeout, message("Endpoint request timed out")
	case gateway.CodeUnavailable:
		return http.StatusGatewayTimeout, message("Network error communicating with endpoint")
	}
	return http.StatusInternalServerError, message("Internal server error")
}

// HTTPStatus returns the gateway's own answer to an HTTP request that failed (contract/http-api.md §5).
func HTTPStatus(code gateway.Code) (status int, body []byte) {
	switch code {
	case gateway.CodeForbidden:
		return http.StatusForbidden, message("Forbidden")
	case gateway.CodeNotFound:
		return http.StatusNotFound, message("Not Found")
	case gateway.CodeBadRequest:
		return http.StatusBadRequest, message("Bad Request")
	case gateway.CodeTooLarge:
		return http.StatusRequestEntityTooLarge, message("Request Entity Too Large")
	case gateway.CodeTimeout, gateway.CodeUnavailable:
		return http.StatusServiceUnavailable, message("Service Unavailable")
	}
	return http.StatusInternalServerError, message("Internal Server Error")
}

// message returns the body of gateway-made answers; the texts above need no escaping.
func message(text string) []byte { return []byte(`{"message":"` + text + `"}`) }
