package event

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// AppendConnection begins an object with the members that all events of a connection share. The object is left open:
// AppendRoute's bytes and AppendMessage follow. An Authorizer that is no JSON object is left out.
//
// It is AppendConnectionAddress, AppendConnectionOwn and AppendConnectionClient, one after the other: many connections
// have the first in common, and many the last.
func AppendConnection(dst []byte, c *gateway.Connection) []byte {
	return AppendConnectionClient(AppendConnectionOwn(AppendConnectionAddress(dst, c), c), c)
}

// AppendConnectionAddress appends the members that the connections of one address have in common.
func AppendConnectionAddress(dst []byte, c *gateway.Connection) []byte {
	dst = append(dst, `{"apiId":`...)
	dst = appendString(dst, string(c.API))
	dst = append(dst, `,"stage":`...)
	dst = appendString(dst, string(c.Stage))
	dst = append(dst, `,"domainName":`...)
	return appendString(dst, c.DomainName)
}

// AppendConnectionOwn appends the members that no other connection has.
func AppendConnectionOwn(dst []byte, c *gateway.Connection) []byte {
	dst = append(dst, `,"connectionId":`...)
	dst = appendString(dst, string(c.ID))
	dst = append(dst, `,"connectedAt":`...)
	dst = strconv.AppendInt(dst, c.ConnectedAt.UnixMilli(), 10)
	return appendSource(dst, c.SourceIP)
}

// AppendConnectionClient appends the members that follow from the client's program and from who it is.
func AppendConnectionClient(dst []byte, c *gateway.Connection) []byte {
	dst = appendIdentity(dst, c.UserAgent, c.Caller)
	if c.Handshake != nil && c.Handshake.Query != "" {
		dst = append(dst, `,"rawQueryString":`...)
		dst = appendString(dst, c.Handshake.Query)
		dst = appendQueryMaps(dst, c.Handshake.Query)
	}
	return appendAuthorizer(dst, c.Authorizer)
}

// RouteInfo is what a context tells of the route that took the event.
type RouteInfo struct {
	RouteKey       gateway.RouteKey
	Deployment     gateway.DeploymentID
	StageVariables map[string]string
}

// AppendRoute continues an object with the members that all events of a route share; they start with a comma.
func AppendRoute(dst []byte, r RouteInfo) []byte {
	dst = append(dst, `,"routeKey":`...)
	dst = appendString(dst, string(r.RouteKey))
	dst = append(dst, `,"deploymentId":`...)
	dst = appendString(dst, string(r.Deployment))
	return appendMap(dst, "stageVariables", r.StageVariables)
}

// MessageInfo is what a context tells of one event of a connection.
type MessageInfo struct {
	Kind    gateway.EventKind
	Request gateway.RequestID
	// MessageID is on messages alone.
	MessageID gateway.RequestID
	Time      time.Time
	// Query is the handshake's, for $connect; nil otherwise.
	Query *QueryInfo
	// Disconnect is how the connection ended, for $disconnect; nil otherwise.
	Disconnect *gateway.Close
}

// QueryInfo is a query string without '?'. Its maps follow url.ParseQuery: pairs that it refuses are left out of them.
type QueryInfo struct{ Raw string }

// AppendMessage ends the object that AppendConnection began. It does not allocate for messages when dst has room.
func AppendMessage(dst []byte, m MessageInfo) []byte {
	dst = append(dst, `,"eventType":"`...)
	dst = append(dst, m.Kind.String()...)
	dst = append(dst, `","messageDirection":"`+DirectionIn+`"`...)
	if m.MessageID != "" {
		dst = append(dst, `,"messageId":`...)
		dst = appendString(dst, string(m.MessageID))
	}
	dst = appendRequestIDAndTime(dst, m.Request, m.Time)
	if m.Query != nil && m.Query.Raw != "" {
		dst = append(dst, `,"rawQueryString":`...)
		dst = appendString(dst, m.Query.Raw)
		dst = appendQueryMaps(dst, m.Query.Raw)
	}
	if m.Disconnect != nil {
		dst = append(dst, `,"disconnectStatusCode":`...)
		dst = strconv.AppendInt(dst, int64(m.Disconnect.Code), 10)
		dst = append(dst, `,"disconnectReason":`...)
		dst = appendString(dst, m.Disconnect.Reason)
	}
	return append(dst, '}')
}

// RequestInfo is what a context tells of one HTTP request.
type RequestInfo struct {
	API   gateway.APIID
	Stage gateway.StageName
	// Route holds the bytes that AppendRoute prepared.
	Route      []byte
	Request    gateway.RequestID
	Time       time.Time
	DomainName string
	Method     string
	// Path is the client's, still escaped, with a named stage (contract/http-api.md §4.1).
	Path           string
	RawQueryString string
	// PathParameters are decoded.
	PathParameters map[string]string
	SourceIP       string
	UserAgent      string
	// Protocol is such as HTTP/1.1.
	Protocol string
	// Authorizer is the JSON object that the authorizer left, or nil.
	Authorizer json.RawMessage
}

// AppendRequest writes the whole context of an HTTP request.
func AppendRequest(dst []byte, r RequestInfo) []byte {
	dst = append(dst, `{"apiId":`...)
	dst = appendString(dst, string(r.API))
	dst = append(dst, `,"stage":`...)
	dst = appendString(dst, string(r.Stage))
	dst = append(dst, `,"domainName":`...)
	dst = appendString(dst, r.DomainName)
	dst = append(dst, `,"domainPrefix":`...)
	prefix, _, _ := strings.Cut(r.DomainName, ".")
	dst = appendString(dst, prefix)
	dst = appendIdentity(appendSource(dst, r.SourceIP), r.UserAgent, nil)
	dst = appendAuthorizer(dst, r.Authorizer)
	dst = append(dst, r.Route...)
	dst = append(dst, `,"eventType":"`+string(KindRequest)+`"`...)
	dst = appendRequestIDAndTime(dst, r.Request, r.Time)
	dst = append(dst, `,"method":`...)
	dst = appendString(dst, r.Method)
	dst = append(dst, `,"path":`...)
	dst = appendString(dst, r.Path)
	dst = append(dst, `,"protocol":`...)
	dst = appendString(dst, r.Protocol)
	dst = append(dst, `,"rawQueryString":`...)
	dst = appendString(dst, r.RawQueryString)
	dst = appendQueryMaps(dst, r.RawQueryString)
	dst = appendMap(dst, "pathParameters", r.PathParameters)
	return append(dst, '}')
}

// appendSource begins the identity, which appendIdentity ends.
func appendSource(dst []byte, sourceIP string) []byte {
	dst = append(dst, `,"identity":{"sourceIp":`...)
	return appendString(dst, sourceIP)
}

func appendIdentity(dst []byte, userAgent string, c *gateway.Caller) []byte {
	if userAgent != "" {
		dst = append(dst, `,"userAgent":`...)
		dst = appendString(dst, userAgent)
	}
	if c == nil {
		return append(dst, '}')
	}
	for _, member := range [...]struct{ name, value string }{
		{"accountId", c.AccountID}, {"accessKey", c.AccessKey}, {"caller", c.Caller}, {"user", c.User}, {"userArn", c.UserARN},
		{"apiKey", c.APIKey}, {"apiKeyId", c.APIKeyID},
	} {
		if member.value != "" {
			dst = appendKey(dst, 1, member.name)
			dst = appendString(dst, member.value)
		}
	}
	return append(dst, '}')
}

func appendAuthorizer(dst []byte, raw json.RawMessage) []byte {
	text := bytes.TrimLeft(raw, " \t\r\n")
	if len(text) == 0 || text[0] != '{' {
		return dst
	}
	var compact bytes.Buffer // a header value holds no line breaks
	if json.Compact(&compact, text) != nil {
		return dst
	}
	dst = append(dst, `,"authorizer":`...)
	return append(dst, compact.Bytes()...)
}

func appendRequestIDAndTime(dst []byte, id gateway.RequestID, t time.Time) []byte {
	dst = append(dst, `,"extendedRequestId":`...)
	dst = appendString(dst, string(id))
	dst = append(dst, `,"requestId":`...)
	dst = appendString(dst, string(id))
	dst = append(dst, `,"requestTime":"`...)
	dst = appendRequestTime(dst, t)
	dst = append(dst, `","requestTimeEpoch":`...)
	return strconv.AppendInt(dst, t.UnixMilli(), 10)
}

// monthNames are those of CLF, three letters each.
const monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"

// appendRequestTime appends the CLF form of contract/websocket-api.md §6.4, as the layout "02/Jan/2006:15:04:05 -0700" would in
// UTC: every event has it, and time's own formatter takes several times as long.
func appendRequestTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	const years, letters = 9999, 3
	if year < 0 || year > years { // no clock says so
		return t.AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	}
	at := letters * (int(month) - 1)
	dst = append(appendTwo(dst, day), '/')
	dst = append(append(dst, monthNames[at:at+letters]...), '/')
	dst = append(appendTwo(appendTwo(dst, year/100), year%100), ':')
	dst = append(appendTwo(dst, hour), ':')
	dst = append(appendTwo(dst, minute), ':')
	return append(appendTwo(dst, second), " +0000"...)
}

// appendTwo appends a number below 100 with two digits.
func appendTwo(dst []byte, n int) []byte {
	const ten = 10
	return append(dst, byte('0'+n/ten), byte('0'+n%ten))
}

func appendQueryMaps(dst []byte, raw string) []byte {
	query, _ := url.ParseQuery(raw) // on an error it still returns the pairs that it could read
	if len(query) == 0 {
		return dst
	}
	keys := slices.Sorted(maps.Keys(query))
	dst = append(dst, `,"queryStringParameters":{`...)
	for i, k := range keys {
		dst = appendKey(dst, i, k)
		values := query[k]
		dst = appendString(dst, values[len(values)-1])
	}
	dst = append(dst, `},"multiValueQueryStringParameters":{`...)
	for i, k := range keys {
		dst = appendKey(dst, i, k)
		dst = append(dst, '[')
		for j, v := range query[k] {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, v)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendMap writes `,"name":{…}` with sorted keys, or nothing for an empty map.
func appendMap(dst []byte, name string, m map[string]string) []byte {
	if len(m) == 0 {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":{`...)
	for i, k := range slices.Sorted(maps.Keys(m)) {
		dst = appendKey(dst, i, k)
		dst = appendString(dst, m[k])
	}
	return append(dst, '}')
}

func appendKey(dst []byte, index int, key string) []byte {
	if index > 0 {
		dst = append(dst, ',')
	}
	dst = appendString(dst, key)
	return append(dst, ':')
}
