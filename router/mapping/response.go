package mapping

import (
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// The variables of a backend's answer (contract/websocket-api.md §3); the name of a header follows the last two.
const (
	responseStatus      = "integration.response.statuscode"
	responseHeader      = "integration.response.header."
	responseMultiHeader = "integration.response.multivalueheader."
)

// ResponseExpression is the parsed selection expression of an integration response's templates. It is safe for concurrent
// use.
type ResponseExpression struct {
	parts    []responsePart
	readBody bool
}

// responsePart is an Expression's part, the status, or a header's values.
type responsePart struct {
	kind responseKind
	part
	header string
}

type responseKind uint8

const (
	responseLiteral       responseKind = iota + 1
	responseBodyPart                   // a path in the client's message
	responseStatusPart                 // the backend's status
	responseHeaderPart                 // the last value of a header
	responseMultiHeadPart              // all its values, as a list
)

// ResponseValues is what a ResponseExpression is evaluated over.
type ResponseValues struct {
	// Body is the client's message. One that is no JSON (see Valid) has no members.
	Body []byte
	// Status and Header are the backend's.
	Status int
	Header gateway.Header
}

// ParseResponseExpression reads the selection expression of an integration response's templates: that of ParseExpression,
// with the variables integration.response.statuscode, integration.response.header.NAME and
// integration.response.multivalueheader.NAME beside request.body (contract/websocket-api.md §3). An error is a *SyntaxError.
func ParseResponseExpression(s string) (*ResponseExpression, error) {
	found, err := pieces(s)
	if err != nil {
		return nil, err
	}
	e := &ResponseExpression{parts: make([]responsePart, 0, len(found))}
	for _, one := range found {
		p, err := parseResponsePart(s, one)
		if err != nil {
			return nil, err
		}
		e.parts = append(e.parts, p)
		e.readBody = e.readBody || p.kind == responseBodyPart
	}
	return e, nil
}

func parseResponsePart(s string, one piece) (responsePart, *SyntaxError) {
	if one.literal != "" {
		return responsePart{kind: responseLiteral, part: part{literal: one.literal}}, nil
	}
	name := s[one.begin:one.end]
	if name == responseStatus {
		return responsePart{kind: responseStatusPart}, nil
	}
	for _, known := range []struct {
		prefix string
		kind   responseKind
	}{{responseHeader, responseHeaderPart}, {responseMultiHeader, responseMultiHeadPart}} {
		header, ok := strings.CutPrefix(name, known.prefix)
		if !ok {
			continue
		}
		if !parameterName().MatchString(header) {
			return responsePart{}, syntaxError(s, one.end-len(header), "not the name of a header", "letters, digits and . _ $ -")
		}
		return responsePart{kind: known.kind, header: header}, nil
	}
	p, err := parseBodyVariable(s, one, hintForResponse)
	return responsePart{kind: responseBodyPart, part: part{lookup: p}}, err
}

func hintForResponse(name string) string {
	if name == "" {
		return `write \$ for a dollar sign`
	}
	return "take $request.body.NAME, $integration.response.statuscode, $integration.response.header.NAME or " +
		"$integration.response.multivalueheader.NAME"
}

// Eval appends what e yields over r to dst. What is missing yields the empty text, of several values of a header the last
// counts, and all of them are written [a, b], as lists in bodies are.
func (e *ResponseExpression) Eval(dst []byte, r ResponseValues) []byte {
	var d document
	if e.readBody && Valid(r.Body) {
		d.json = textOf(r.Body)
	}
	for i := range e.parts {
		p := &e.parts[i]
		switch p.kind {
		case responseLiteral:
			dst = append(dst, p.literal...)
		case responseBodyPart:
			dst = d.append(dst, &p.lookup)
		case responseStatusPart:
			dst = strconv.AppendInt(dst, int64(r.Status), 10)
		case responseHeaderPart:
			for _, value := range last(headerValues(r.Header, p.header)) {
				dst = append(dst, value...)
			}
		case responseMultiHeadPart:
			if values := headerValues(r.Header, p.header); len(values) > 0 {
				dst = append(dst, '[')
				dst = append(dst, strings.Join(values, ", ")...)
				dst = append(dst, ']')
			}
		}
	}
	return dst
}
