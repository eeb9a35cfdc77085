package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/gateway"
)

const (
	statusOK = 200
	// The statuses that a result may name (contract/http-api.md §6.5).
	minStatus = 100
	maxStatus = 599

	// What a result without a Content-Type gets, and one without a statusCode (contract/http-api.md §6.5, §6.6).
	defaultContentType  = "text/plain; charset=utf-8"
	inferredContentType = "application/json"
)

// Result reads what a proxy function returned for ev by the rules of the event's kind and version, which are those of
// Event. The error is an *gateway.Error with CodeIntegration when the result breaks them.
func Result(ev *gateway.Event, version string, payload []byte) (*gateway.Reply, error) {
	if ev.Kind != gateway.EventRequest {
		return webSocketResult(ev, payload)
	}
	switch version {
	case Version1:
		return result1(payload)
	case Version2, "":
		return result2(payload)
	}
	return nil, unknownVersion(version)
}

// webSocketResult follows contract/websocket-api.md §6.5. What $disconnect returns is ignored (§4.7); nothing at all is
// fine where nobody waits for a reply (§5, the last remark).
func webSocketResult(ev *gateway.Event, payload []byte) (*gateway.Reply, error) {
	if ev.Kind == gateway.EventDisconnect {
		return &gateway.Reply{Status: statusOK}, nil
	}
	if ev.Expect != gateway.ExpectReply && isNull(payload) {
		return &gateway.Reply{Status: statusOK}, nil
	}
	r, err := readResult(payload)
	if err != nil {
		return nil, malformed(err)
	}
	reply, err := r.reply()
	if err != nil {
		return nil, malformed(err)
	}
	reply.Header = r.mergedHeader()
	reply.Binary = !utf8.Valid(reply.Body) // a decoded base64 body is text whenever it can be
	return reply, nil
}

func isNull(payload []byte) bool {
	text := bytes.TrimSpace(payload)
	return len(text) == 0 || string(text) == "null"
}

// result1 follows contract/http-api.md §6.6.
func result1(payload []byte) (*gateway.Reply, error) {
	r, err := readResult(payload)
	if err != nil {
		return nil, malformed(err)
	}
	reply, err := r.reply()
	if err != nil {
		return nil, malformed(err)
	}
	reply.Header = withContentType(r.mergedHeader())
	return reply, nil
}

// result2 follows contract/http-api.md §6.5: without a statusCode the whole result is the body.
func result2(payload []byte) (*gateway.Reply, error) {
	r, err := readResult(payload)
	if errors.Is(err, errNoStatus) {
		return inferred(payload), nil
	}
	if err != nil {
		return nil, malformed(err)
	}
	reply, err := r.reply()
	if err != nil {
		return nil, malformed(err)
	}
	reply.Header = make(gateway.Header, len(r.Headers)+1)
	for _, c := range r.Cookies {
		reply.Header.Add(setCookie, c)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		reply.Header.Add(cookieCase(name), r.Headers[name])
	}
	reply.Header = withContentType(reply.Header)
	return reply, nil
}

// setCookie is the one spelling of that name, so that its values stay in order.
const setCookie = "set-cookie"

func cookieCase(name string) string {
	if strings.EqualFold(name, setCookie) {
		return setCookie
	}
	return name
}

func inferred(payload []byte) *gateway.Reply {
	body := bytes.Clone(payload)
	var text string
	if json.Unmarshal(payload, &text) == nil && !isNull(payload) { // null decodes into a string, too
		body = []byte(text)
	}
	return &gateway.Reply{Status: statusOK, Header: gateway.Header{"content-type": {inferredContentType}}, Body: body}
}

func withContentType(h gateway.Header) gateway.Header {
	if h.Get("content-type") == "" {
		h.Set("content-type", defaultContentType)
	}
	return h
}

func malformed(err error) error {
	return gateway.Errorf(gateway.CodeIntegration, "Malformed proxy result").Because(err)
}

// result is the structured form that the versions share.
type result struct {
	StatusCode        int
	Headers           map[string]string
	MultiValueHeaders map[string][]string
	Cookies           []string
	Body              string
	IsBase64Encoded   bool
}

// errNoStatus says that the result is not in the structured form: no JSON object, or none with a statusCode.
var errNoStatus = errors.New("no JSON object with a statusCode")

// readResult decodes member by member, because encoding/json would take statuscode for statusCode.
func readResult(payload []byte) (*result, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		return nil, errNoStatus
	}
	if _, ok := members["statusCode"]; !ok {
		return nil, errNoStatus
	}
	var r result
	for name, dst := range map[string]any{
		"statusCode": &r.StatusCode, "headers": &r.Headers, "multiValueHeaders": &r.MultiValueHeaders,
		"cookies": &r.Cookies, "body": &r.Body, "isBase64Encoded": &r.IsBase64Encoded,
	} {
		raw, ok := members[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, dst); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if r.StatusCode < minStatus || r.StatusCode > maxStatus {
		return nil, fmt.Errorf("statusCode %d is not within %d–%d", r.StatusCode, minStatus, maxStatus)
	}
	return &r, nil
}

func (r *result) reply() (*gateway.Reply, error) {
	reply := &gateway.Reply{Status: r.StatusCode, Body: []byte(r.Body)}
	if r.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		reply.Body = body
	}
	return reply, nil
}

// mergedHeader joins both maps: the single value first, duplicates removed (contract/http-api.md §6.6).
func (r *result) mergedHeader() gateway.Header {
	type line struct{ name, value string }
	h := make(gateway.Header, len(r.Headers)+len(r.MultiValueHeaders)+1)
	spelled := make(map[string]string, len(r.Headers))
	seen := make(map[line]bool, len(r.Headers)) // a function may return megabytes of values
	add := func(name, value string) {
		lower := strings.ToLower(name)
		if spelled[lower] == "" {
			spelled[lower] = name
		}
		if one := (line{lower, value}); !seen[one] {
			seen[one] = true
			h.Add(spelled[lower], value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		add(name, r.Headers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.MultiValueHeaders)) {
		for _, v := range r.MultiValueHeaders[name] {
			add(name, v)
		}
	}
	return h
}
