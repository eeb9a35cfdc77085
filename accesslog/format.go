package accesslog

import (
	"fmt"
	"strings"
)

const (
	// MaxFormatBytes is Amazon's limit of an access-log template (contract/websocket-api.md §11).
	MaxFormatBytes = 3 << 10

	variable = "$context."

	// The formats with a name, as Amazon's console offers them for WebSocket APIs.
	nameJSON = "json"
	nameCLF  = "clf"

	formatJSON = `{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","caller":"$context.identity.caller",` +
		`"user":"$context.identity.user","requestTime":"$context.requestTime","eventType":"$context.eventType",` +
		`"routeKey":"$context.routeKey","status":"$context.status","connectionId":"$context.connectionId",` +
		`"integrationLatency":"$context.integrationLatency","error":"$context.error.message"}`
	formatCLF = `$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] ` +
		`"$context.eventType $context.routeKey $context.connectionId" $context.status $context.requestId`
)

// Format is a parsed format. It never changes, so it may be used concurrently.
type Format struct{ parts []part }

// part is a literal, or a variable when it has a path.
type part struct {
	literal string
	path    string // behind "$context."
}

// Parse reads a format: json, clf, or a text with $context variables; "" is json. The error may be shown to the author of
// the definition.
func Parse(text string) (*Format, error) {
	switch text {
	case "", nameJSON:
		text = formatJSON
	case nameCLF:
		text = formatCLF
	}
	if len(text) > MaxFormatBytes {
		return nil, fmt.Errorf("the format is longer than %d bytes", MaxFormatBytes)
	}
	if strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("the format has more than one line")
	}
	f := &Format{}
	for text != "" {
		start := strings.Index(text, variable)
		if start < 0 {
			f.parts = append(f.parts, part{literal: text})
			break
		}
		if start > 0 {
			f.parts = append(f.parts, part{literal: text[:start]})
		}
		text = text[start+len(variable):]
		name := text[:nameLength(text)]
		if name == "" {
			return nil, fmt.Errorf("$context. needs the name of a variable, such as $context.requestId")
		}
		if !known(name) {
			return nil, fmt.Errorf("there is no variable $context.%s", name)
		}
		f.parts = append(f.parts, part{path: name})
		text = text[len(name):]
	}
	if !f.names("requestId") && !f.names("extendedRequestId") {
		return nil, fmt.Errorf("the format needs $context.requestId or $context.extendedRequestId, by which an event is found again")
	}
	return f, nil
}

// names reports whether the format has the variable.
func (f *Format) names(path string) bool {
	for _, p := range f.parts {
		if p.path == path {
			return true
		}
	}
	return false
}

// nameLength is how far a variable's name goes: letters, digits, '_', '-' and dots between them.
func nameLength(s string) int {
	n := 0
	for n < len(s) {
		c := s[n]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
		dot := c == '.' && n > 0 && n+1 < len(s) && s[n-1] != '.' && nameLength(s[n+1:min(n+2, len(s))]) == 1
		if !word && !dot {
			break
		}
		n++
	}
	return n
}

// Log is where the lines of a stage go, and their format.
type Log struct {
	Format *Format
	// Destination is Stdout, Stderr or the path of a file.
	Destination string
}
