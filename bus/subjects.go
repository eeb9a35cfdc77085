package bus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// DefaultPrefix is the first token of every subject unless the operator chose another.
	DefaultPrefix = "sallyport"
	// QueueGroup is the queue group of our own workers; NATS backends use their own (DESIGN §3.3).
	QueueGroup = "sallyport"
	// MaxSubjectBytes bounds subject plus reply of a message. nats-server closes a connection for good whose control
	// line is over 4,096 bytes (nats-facts §1.4); the rest is room for sizes and for mapped subjects.
	MaxSubjectBytes = 3500
)

// The fixed tokens. Those with an @ stand where an API id would, and no API id contains one.
const (
	tokenWebSocket   = "ws"
	tokenHTTP        = "http"
	tokenConnections = "@connections"
	tokenEdge        = "@edge"
	tokenEdges       = "@edges"
	tokenTap         = "@tap"
	tokenTapAsk      = "@tap-ask"
	tokenReply       = "r"
	tokenFailure     = "f"
	tokenPing        = "ping"
	tokenList        = "list"
	tokenEmpty       = "%"
)

// ErrSubject says that a subject is none of ours.
var ErrSubject = errors.New("not a subject of this gateway")

// Verb is what a connection command does. It is the last token of the command's subject; posts have none.
type Verb string

// The connection commands. Get and Delete answer as the HTTP calls do; Status is what gateways ask each other and
// answers the whole gateway.ConnectionStatus.
const (
	VerbPost   Verb = ""
	VerbGet    Verb = "get"
	VerbDelete Verb = "delete"
	VerbStatus Verb = "status"
)

// Subjects builds and parses every subject of the product; no other code does. Its zero value uses DefaultPrefix. All
// methods may be called concurrently.
//
// Tokens that come from outside (API ids, stages, route keys) are percent-encoded where NATS gives a byte a meaning, so
// that each subject stands for exactly one thing: parsing what was built gives the same values back (DESIGN §3.2).
type Subjects struct{ Prefix string }

// Validate reports a prefix that can't be used: it is one or more tokens of letters, digits, '-' and '_', separated by
// dots.
func (s Subjects) Validate() error {
	for token := range strings.SplitSeq(s.prefix(), ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return !isPrefixChar(r) }) {
			return fmt.Errorf("subject prefix %q: use letters, digits, '-' and '_', with dots between tokens", s.Prefix)
		}
	}
	return nil
}

func isPrefixChar(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

func (s Subjects) prefix() string {
	if s.Prefix == "" {
		return DefaultPrefix
	}
	return s.Prefix
}

// cut removes the prefix and splits the rest into tokens.
func (s Subjects) cut(subject string) ([]string, bool) {
	rest, ok := strings.CutPrefix(subject, s.prefix())
	if !ok || rest == "" || rest[0] != '.' {
		return nil, false
	}
	return strings.Split(rest[1:], "."), true
}

// cutInto is cut that appends at most cap(tokens) tokens, the last of which has the rest of the subject.
func (s Subjects) cutInto(tokens []string, subject string) ([]string, bool) {
	rest, ok := strings.CutPrefix(subject, s.prefix())
	if !ok || rest == "" || rest[0] != '.' {
		return nil, false
	}
	rest = rest[1:]
	for len(tokens)+1 < cap(tokens) {
		token, after, more := strings.Cut(rest, ".")
		if !more {
			break
		}
		tokens, rest = append(tokens, token), after
	}
	return append(tokens, rest), true
}

// EventAddress is what the subject of an event says.
type EventAddress struct {
	API      gateway.APIID
	Stage    gateway.StageName
	Protocol gateway.Protocol
	Route    gateway.RouteKey
}

// Event returns the subject of a route (DESIGN §3.2):
// {prefix}.{api}.{stage}.ws.{routeKey} or {prefix}.{api}.{stage}.http.{METHOD}.{segment}…
func (s Subjects) Event(api gateway.APIID, stage gateway.StageName, p gateway.Protocol, key gateway.RouteKey) string {
	head := s.prefix() + "." + encodeToken(string(api)) + "." + encodeToken(string(stage)) + "."
	if p == gateway.ProtocolWebSocket {
		return head + tokenWebSocket + "." + encodeToken(string(key))
	}
	return head + tokenHTTP + "." + encodeHTTPRoute(string(key))
}

// ParseEvent is the inverse of Event. The error is ErrSubject.
func (s Subjects) ParseEvent(subject string) (EventAddress, error) {
	tokens, ok := s.cut(subject)
	if !ok || len(tokens) < 4 {
		return EventAddress{}, ErrSubject
	}
	api, okAPI := decodeToken(tokens[0])
	stage, okStage := decodeToken(tokens[1])
	a := EventAddress{API: gateway.APIID(api), Stage: gateway.StageName(stage)}
	var key string
	switch {
	case tokens[2] == tokenWebSocket && len(tokens) == 4:
		a.Protocol = gateway.ProtocolWebSocket
		key, ok = decodeToken(tokens[3])
	case tokens[2] == tokenHTTP:
		a.Protocol = gateway.ProtocolHTTP
		key, ok = decodeHTTPRoute(tokens[3:])
	default:
		ok = false
	}
	if !ok || !okAPI || !okStage {
		return EventAddress{}, ErrSubject
	}
	a.Route = gateway.RouteKey(key)
	return a, nil
}

// encodeHTTPRoute: "METHOD /a/b" becomes METHOD.a.b, "GET /" ends after the method and $default is one token. A key of
// no such form (router refuses it) is kept apart from all of them behind an empty method.
func encodeHTTPRoute(key string) string {
	if key == string(gateway.RouteDefault) {
		return key
	}
	method, path, ok := strings.Cut(key, " /")
	if !ok || !isMethod(method) {
		return tokenEmpty + "." + encodeToken(key)
	}
	if path == "" {
		return method
	}
	var b strings.Builder
	b.WriteString(method)
	for segment := range strings.SplitSeq(path, "/") {
		b.WriteByte('.')
		b.WriteString(encodeToken(segment))
	}
	return b.String()
}

func decodeHTTPRoute(tokens []string) (string, bool) {
	head, rest := tokens[0], tokens[1:]
	if head == tokenEmpty {
		if len(rest) != 1 {
			return "", false
		}
		key, ok := decodeToken(rest[0])
		return key, ok && encodeHTTPRoute(key) == strings.Join(tokens, ".")
	}
	if head == string(gateway.RouteDefault) {
		return head, len(rest) == 0
	}
	if !isMethod(head) || len(rest) == 1 && rest[0] == tokenEmpty {
		return "", false // "/" plus one empty segment is written as the bare method
	}
	var b strings.Builder
	b.WriteString(head)
	b.WriteByte(' ')
	if len(rest) == 0 {
		b.WriteByte('/')
	}
	for _, token := range rest {
		segment, ok := decodeToken(token)
		if !ok || strings.Contains(segment, "/") {
			return "", false
		}
		b.WriteByte('/')
		b.WriteString(segment)
	}
	return b.String(), true
}

// isMethod is strict: methods are written as they are, and what is none goes the way of irregular keys.
func isMethod(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

const upperHex = "0123456789ABCDEF"

// plain reports whether a byte stands for itself in a token (nats-facts §1.2, §1.3).
func plain(c byte) bool {
	return c > 0x20 && c < 0x7f && c != '.' && c != '*' && c != '>' && c != '%'
}

// encodeToken makes any string one subject token. The empty string is a lone %.
func encodeToken(s string) string {
	special := 0
	for i := range len(s) {
		if !plain(s[i]) {
			special++
		}
	}
	switch {
	case s == "":
		return tokenEmpty
	case special == 0:
		return s
	}
	b := make([]byte, 0, len(s)+2*special)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

// decodeToken is the inverse of encodeToken. It refuses whatever encodeToken would not have written.
func decodeToken(t string) (string, bool) {
	switch {
	case t == tokenEmpty:
		return "", true
	case t == "":
		return "", false
	}
	first := 0
	for first < len(t) && plain(t[first]) {
		first++
	}
	if first == len(t) { // nearly always
		return t, true
	}
	b := append(make([]byte, 0, len(t)), t[:first]...)
	for i := first; i < len(t); i++ {
		c := t[i]
		if plain(c) {
			b = append(b, c)
			continue
		}
		if c != '%' || i+2 >= len(t) {
			return "", false
		}
		hi, lo := strings.IndexByte(upperHex, t[i+1]), strings.IndexByte(upperHex, t[i+2])
		if hi < 0 || lo < 0 || plain(byte(hi<<4|lo)) {
			return "", false
		}
		b = append(b, byte(hi<<4|lo))
		i += 2
	}
	return string(b), true
}

// checkLength keeps the connection alive: see MaxSubjectBytes.
func checkLength(subject, reply string) error {
	if n := len(subject) + len(reply); n > MaxSubjectBytes {
		return gateway.Errorf(gateway.CodeBadRequest, "the NATS subject of this route is too long: %d bytes, at most %d",
			n, MaxSubjectBytes)
	}
	return nil
}
