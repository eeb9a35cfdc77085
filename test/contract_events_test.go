package test

import (
	"encoding/json"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

// shown is an event as text in which nothing differs between runs.
func shown(t *testing.T, g *stageGateway, event map[string]any) string {
	t.Helper()
	text, err := json.MarshalIndent(event, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(g.Data)
	if err != nil {
		t.Fatal(err)
	}
	return steady(strings.ReplaceAll(string(text), `"`+port+`"`, `"<port>"`))
}

// The three events of §6.1 to §6.3, all that is in them and nothing else.
func TestContract6Events(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"all": echoBody})
	routes := []string{"$connect", "$disconnect", "$default"}
	for i, key := range routes {
		routes[i] = key + ": {routeResponse: " + map[bool]string{true: "true", false: "false"}[key == "$default"] + ", integration: " + l.on("all") + "}"
	}
	g := startGateway(t, map[string]string{
		"chat.yaml": socketAPI("chat", "", routes...),
		"vars.yaml": socketAPI("vars", "stages: {dev: {variables: {table: users}}}\n", routes...),
	}, nil)
	conn := rawDial(t, g, "/chat/dev?room=a&room=b%20c&empty=", "Cookie: sid=1", "Origin: https://app.example", "X-cUSTOM: one", "X-cUSTOM: two", "User-Agent: probe/1", "Sec-WebSocket-Protocol: v1, v2")
	conn.frame(1, true, []byte(`{ "action": "nowhere" }`))
	if got := conn.next(); got != `{ "action": "nowhere" }` {
		t.Errorf("the body came back as %s", got)
	}
	conn.frame(8, true, []byte("\x03\xe8"))
	l.awaitEvent(t, "all", 3)
	events := l.of("all")

	const (
		connect = `{
 "headers": {
  "Cookie": "sid=1",
  "Host": "127.0.0.1:<port>",
  "Origin": "https://app.example",
  "Sec-WebSocket-Key": "dGhlIHN<id>=",
  "Sec-WebSocket-Protocol": "v1, v2",
  "Sec-WebSocket-Version": "13",
  "User-Agent": "probe/1",
  "X-Amzn-Trace-Id": "<trace>",
  "X-Forwarded-For": "127.0.0.1",
  "X-Forwarded-Port": "<port>",
  "X-Forwarded-Proto": "http",
  "X-cUSTOM": "two"
 },
 "isBase64Encoded": false,
 "multiValueHeaders": {
  "Cookie": [
   "sid=1"
  ],
  "Host": [
   "127.0.0.1:<port>"
  ],
  "Origin": [
   "https://app.example"
  ],
  "Sec-WebSocket-Key": [
   "dGhlIHN<id>="
  ],
  "Sec-WebSocket-Protocol": [
   "v1, v2"
  ],
  "Sec-WebSocket-Version": [
   "13"
  ],
  "User-Agent": [
   "probe/1"
  ],
  "X-Amzn-Trace-Id": [
   "<trace>"
  ],
  "X-Forwarded-For": [
   "127.0.0.1"
  ],
  "X-Forwarded-Port": [
   "<port>"
  ],
  "X-Forwarded-Proto": [
   "http"
  ],
  "X-cUSTOM": [
   "one",
   "two"
  ]
 },
 "multiValueQueryStringParameters": {
  "empty": [
   ""
  ],
  "room": [
   "a",
   "b c"
  ]
 },
 "queryStringParameters": {
  "empty": "",
  "room": "b c"
 },
 "requestContext": {
  "apiId": "chat",
  "connectedAt": <ms>,
  "connectionId": "<id>",
  "domainName": "127.0.0.1",
  "eventType": "CONNECT",
  "extendedRequestId": "<id>",
  "identity": {
   "sourceIp": "127.0.0.1",
   "userAgent": "probe/1"
  },
  "messageDirection": "IN",
  "requestId": "<id>",
  "requestTime": "<time>",
  "requestTimeEpoch": <ms>,
  "routeKey": "$connect",
  "stage": "dev"
 }
}`
		message = `{
 "body": "{ \"action\": \"nowhere\" }",
 "isBase64Encoded": false,
 "requestContext": {
  "apiId": "chat",
  "connectedAt": <ms>,
  "connectionId": "<id>",
  "domainName": "127.0.0.1",
  "eventType": "MESSAGE",
  "extendedRequestId": "<id>",
  "identity": {
   "sourceIp": "127.0.0.1",
   "userAgent": "probe/1"
  },
  "messageDirection": "IN",
  "messageId": "<id>",
  "requestId": "<id>",
  "requestTime": "<time>",
  "requestTimeEpoch": <ms>,
  "routeKey": "$default",
  "stage": "dev"
 }
}`
		disconnect = `{
 "headers": {
  "Host": "127.0.0.1",
  "X-Forwarded-For": "",
  "x-api-key": "",
  "x-restapi": ""
 },
 "isBase64Encoded": false,
 "multiValueHeaders": {
  "Host": [
   "127.0.0.1"
  ],
  "X-Forwarded-For": [
   ""
  ],
  "x-api-key": [
   ""
  ],
  "x-restapi": [
   ""
  ]
 },
 "requestContext": {
  "apiId": "chat",
  "connectedAt": <ms>,
  "connectionId": "<id>",
  "disconnectReason": "",
  "disconnectStatusCode": 1000,
  "domainName": "127.0.0.1",
  "eventType": "DISCONNECT",
  "extendedRequestId": "<id>",
  "identity": {
   "sourceIp": "127.0.0.1",
   "userAgent": "probe/1"
  },
  "messageDirection": "IN",
  "requestId": "<id>",
  "requestTime": "<time>",
  "requestTimeEpoch": <ms>,
  "routeKey": "$disconnect",
  "stage": "dev"
 }
}`
	)
	for i, c := range []struct{ row, want string }{{"§6.1 CONNECT", connect}, {"§6.2 MESSAGE", message}, {"§6.3 DISCONNECT", disconnect}} {
		t.Run(c.row, func(t *testing.T) {
			if diff := cmp.Diff(strings.Split(c.want, "\n"), strings.Split(shown(t, g, events[i]), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	checkCommonRules(t, events)
	t.Run("§6.1 no userAgent when the client sent none, stageVariables when the stage has some", func(t *testing.T) {
		bare := rawDial(t, g, "/vars/dev")
		bare.frame(1, true, []byte("hello"))
		bare.next()
		id, _ := member(l.awaitEvent(t, "all", 4), "requestContext", "connectionId").(string)
		for _, eventType := range []string{"CONNECT", "MESSAGE"} {
			event := l.awaitOf(t, "all", gateway.ConnectionID(id), eventType)
			if identity := member(event, "requestContext", "identity"); !cmp.Equal(identity, any(map[string]any{"sourceIp": "127.0.0.1"})) {
				t.Errorf("%s: identity is %v", eventType, identity)
			}
			if got := member(event, "stageVariables", "table"); got != "users" {
				t.Errorf("%s: stageVariables.table is %v", eventType, got)
			}
		}
	})
}

// checkCommonRules holds a connection's three events to §6.4.
func checkCommonRules(t *testing.T, events []map[string]any) {
	t.Helper()
	of := func(i int, name string) any { return member(events[i], "requestContext", name) }
	t.Run("§6.4 requestId equals extendedRequestId and is new for each event", func(t *testing.T) {
		seen := map[any]bool{}
		for i := range events {
			id := of(i, "requestId")
			if id != of(i, "extendedRequestId") || seen[id] {
				t.Errorf("event %d has %v and %v", i, id, of(i, "extendedRequestId"))
			}
			seen[id] = true
		}
	})
	t.Run("§6.4 one connectionId, one connectedAt", func(t *testing.T) {
		for i := range events {
			if of(i, "connectionId") != of(0, "connectionId") || of(i, "connectedAt") != of(0, "connectedAt") {
				t.Errorf("event %d has %v and %v", i, of(i, "connectionId"), of(i, "connectedAt"))
			}
		}
	})
	t.Run("§6.4 times are milliseconds, requestTime a date", func(t *testing.T) {
		for i := range events {
			connected, _ := of(i, "connectedAt").(float64)
			requested, _ := of(i, "requestTimeEpoch").(float64)
			if age := time.Since(time.UnixMilli(int64(connected))); age < 0 || age > time.Minute || requested < connected {
				t.Errorf("event %d: connectedAt %f, requestTimeEpoch %f", i, connected, requested)
			}
			text, _ := of(i, "requestTime").(string)
			at, err := time.Parse("02/Jan/2006:15:04:05 +0000", text)
			if err != nil || at.Unix() != int64(requested)/1000 {
				t.Errorf("event %d: requestTime %q, requestTimeEpoch %f", i, text, requested)
			}
		}
		if of(0, "requestTimeEpoch").(float64)-of(0, "connectedAt").(float64) > 1 {
			t.Errorf("CONNECT: %v − %v", of(0, "requestTimeEpoch"), of(0, "connectedAt"))
		}
	})
}

// §6.4: domainName is the host that the client used, and context values of an authorizer are in all three events.
func TestContract64DomainAndAuthorizer(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{
		"all": echoBody,
		"authorize": func(e map[string]any) (any, error) {
			arn, _ := e["methodArn"].(string)
			return policy("Allow", arn), nil // its context has a text, a number and a boolean
		},
	})
	head := "authorizers:\n  users: {type: REQUEST, integration: " + l.on("authorize") + "}\n"
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", head,
		"$connect: {authorizer: users, integration: "+l.on("all")+"}", "$disconnect: {integration: "+l.on("all")+"}", "$default: {routeResponse: true, integration: "+l.on("all")+"}",
	)}, nil)
	g.Data = regexp.MustCompile(`^127\.0\.0\.1`).ReplaceAllString(g.Data, "localhost")
	conn := rawDial(t, g, "/chat/dev")
	conn.frame(1, true, []byte("hello"))
	conn.next()
	conn.frame(8, true, nil)
	l.awaitEvent(t, "all", 3)
	for _, event := range l.of("all") {
		eventType := member(event, "requestContext", "eventType")
		if got := member(event, "requestContext", "domainName"); got != "localhost" {
			t.Errorf("%s: domainName is %v", eventType, got)
		}
		authorizer, _ := member(event, "requestContext", "authorizer").(map[string]any)
		delete(authorizer, "integrationLatency") // may be there
		want := map[string]any{"principalId": "ann", "room": "blue", "level": 7.0, "admin": true}
		if diff := cmp.Diff(want, authorizer); diff != "" {
			t.Errorf("%s: authorizer (-want +got):\n%s", eventType, diff)
		}
	}
}
