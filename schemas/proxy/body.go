package proxy

import (
	"encoding/base64"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/gateway"
)

// messageBody returns a message as the event holds it, and whether that is base64.
func messageBody(ev *gateway.Event) (string, bool) {
	if ev.Binary || !utf8.Valid(ev.Body) {
		return base64.StdEncoding.EncodeToString(ev.Body), true
	}
	return string(ev.Body), false
}

// requestBody returns a request's body as the event holds it, and whether that is base64: everything is but the text types
// of contract/http-api.md §6.4. Text that is no UTF-8 is base64 too, since JSON could not hold it.
func requestBody(ev *gateway.Event) (string, bool) {
	if len(ev.Body) == 0 {
		return "", false
	}
	if isText(ev.Header.Get("Content-Type")) && utf8.Valid(ev.Body) {
		return string(ev.Body), false
	}
	return base64.StdEncoding.EncodeToString(ev.Body), true
}

func isText(contentType string) bool {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	switch mediaType {
	case "text/plain", "text/html", "text/csv", "text/xml",
		"application/json", "application/xml", "application/javascript", "application/graphql":
		return true
	}
	return false
}
