package test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"
)

const tracedChat = `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: {type: HTTP_PROXY, httpMethod: POST, uri: "{backend}/connect?key=` + marker + `"}}
  $disconnect: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}}}
  ask:
    routeResponse: true
    integration:
      type: HTTP_PROXY
      httpMethod: POST
      uri: "{backend}/call-back?key=` + marker + `"
      requestParameters: {integration.request.header.connectionid: context.connectionId}
  tell: {integration: {type: NATS}}
  nobody: {routeResponse: true, integration: {type: NATS}}
`

// The traces, as docs/observability.md shows them too.
const (
	treeOfHandshake = `server: GET $connect
  producer: send sallyport.chat.dev.ws.$connect
    consumer: process sallyport.chat.dev.ws.$connect
      client: POST
`
	treeOfMessage = `server: ask
  producer: send sallyport.chat.dev.ws.ask
    consumer: process sallyport.chat.dev.ws.ask
      client: POST
        server: POST /@connections/{connectionId}
          internal: @connections POST
`
	treeOfDisconnect = `internal: $disconnect
  producer: send sallyport.chat.dev.ws.$disconnect
    consumer: process sallyport.chat.dev.ws.$disconnect
`
	treeOfRequest = `server: GET /pets/{id}
  producer: send sallyport.shop.dev.http.GET.pets.{id}
    consumer: process sallyport.shop.dev.http.GET.pets.{id}
      client: GET
`
	treeOfPush = `server: tell
  producer: send sallyport.chat.dev.ws.tell
    consumer: process sallyport.{api}.{stage}.@connections.{edge}.{connectionId}
      internal: @connections POST
`
)

// A message runs through router, NATS, worker, HTTP backend and back as a callback, all in one trace; so does the
// handshake before it.
func TestOneTraceFromTheFrameToTheCallback(t *testing.T) {
	g := startTraced(t, map[string]string{"chat.yaml": tracedChat})
	u := dialSecretly(t, g.stageGateway, "/chat/dev")
	connectCall := <-g.calls
	g.wantTree(t, callerTrace, treeOfHandshake)
	handshake := g.span(t, callerTrace, "server", "GET $connect")
	if handshake.parent != callerSpan {
		t.Errorf("the handshake is under %s, not under its client's span", handshake.parent)
	}
	g.wantAttributes(t, handshake, "http.request.method=GET", "http.response.status_code=101", "http.route=$connect", "url.path=/chat/dev",
		"url.scheme=http", "server.address=127.0.0.1", "server.port=<port>", "client.address=127.0.0.1", "network.protocol.version=1.1",
		"user_agent.original=Go-http-client/1.1", "sallyport.api=chat", "sallyport.stage=dev", "sallyport.route=$connect",
		"sallyport.connection.id=<id>", "sallyport.request.id=<id>")
	if call := g.span(t, callerTrace, "client", "POST"); connectCall.Get("Traceparent") != call.traceparent() {
		t.Errorf("$connect's backend saw %q, want %q", connectCall.Get("Traceparent"), call.traceparent())
	}

	u.say(`{"action":"ask","password":"` + marker + `"}`)
	u.hears("pushed")
	u.hears("answered")
	root := g.await(t, "server", "ask")
	g.wantTree(t, root.trace, treeOfMessage)
	g.wantAttributes(t, root, "network.protocol.name=websocket", "sallyport.api=chat", "sallyport.stage=dev", "sallyport.route=ask",
		"sallyport.connection.id=<id>", "sallyport.request.id=<id>")
	g.wantAttributes(t, g.span(t, root.trace, "producer", "send sallyport.chat.dev.ws.ask"), "messaging.system=nats",
		"messaging.operation.name=send", "messaging.operation.type=send", "messaging.destination.name=sallyport.chat.dev.ws.ask")
	g.wantAttributes(t, g.span(t, root.trace, "consumer", "process sallyport.chat.dev.ws.ask"), "messaging.system=nats",
		"messaging.operation.name=process", "messaging.operation.type=process", "messaging.destination.name=sallyport.chat.dev.ws.ask",
		"messaging.consumer.group.name=sallyport")
	call := g.span(t, root.trace, "client", "POST")
	g.wantAttributes(t, call, "http.request.method=POST", "http.response.status_code=200", "server.address=127.0.0.1", "server.port=<port>",
		"url.full=http://127.0.0.1:<port>/call-back")
	if seen := <-g.calls; seen.Get("Traceparent") != call.traceparent() {
		t.Errorf("the backend saw %q, want %q", seen.Get("Traceparent"), call.traceparent())
	}
	g.wantAttributes(t, g.span(t, root.trace, "server", "POST /@connections/{connectionId}"), "http.request.method=POST",
		"http.response.status_code=200", "http.route=/@connections/{connectionId}", "url.path=/chat/dev/@connections/<id>", "url.scheme=http",
		"server.address=127.0.0.1", "server.port=<port>", "client.address=127.0.0.1", "network.protocol.version=1.1",
		"user_agent.original=Go-http-client/1.1", "sallyport.api=chat", "sallyport.stage=dev", "sallyport.connection.id=<id>", "sallyport.request.id=<id>")
	g.wantAttributes(t, g.span(t, root.trace, "internal", "@connections POST"), "sallyport.connection.id=<id>")

	_ = u.conn.Close(websocket.StatusNormalClosure, "")
	leave := g.await(t, "internal", "$disconnect")
	g.wantTree(t, leave.trace, treeOfDisconnect)
	g.until(t, "metrics over OTLP", func() bool { return g.metrics["sallyport.messages"] && g.metrics["sallyport.integration.duration"] })
	g.stopAndLookForSecrets(t)
}

func TestOneTraceOfARequest(t *testing.T) {
	g := startTraced(t, map[string]string{"shop.yaml": `
name: shop
protocolType: HTTP
routes:
  GET /pets/{id}: {integration: {type: HTTP_PROXY, httpMethod: GET, uri: "{backend}/pets/{id}?key=` + marker + `"}}
  GET /nobody: {integration: {type: NATS}}
stages: {dev: {}}
`})
	request := func(path string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Data+"/shop/dev"+path+"?token="+marker, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + marker}, "Cookie": {"s=" + marker}, "Traceparent": {callerTraceparent}}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	if status := request("/pets/7"); status != http.StatusOK {
		t.Fatal(status)
	}
	g.wantTree(t, callerTrace, treeOfRequest)
	server, call := g.span(t, callerTrace, "server", "GET /pets/{id}"), g.span(t, callerTrace, "client", "GET")
	if server.parent != callerSpan {
		t.Errorf("the request is under %s, not under its client's span", server.parent)
	}
	common := []string{"http.request.method=GET", "url.scheme=http", "server.address=127.0.0.1", "server.port=<port>", "client.address=127.0.0.1",
		"network.protocol.version=1.1", "user_agent.original=Go-http-client/1.1", "sallyport.api=shop", "sallyport.stage=dev", "sallyport.request.id=<id>"}
	g.wantAttributes(t, server, append([]string{"http.response.status_code=200", "http.route=/pets/{id}", "sallyport.route=GET /pets/{id}", "url.path=/shop/dev/pets/7"}, common...)...)
	g.wantAttributes(t, call, "http.request.method=GET", "http.response.status_code=200", "server.address=127.0.0.1", "server.port=<port>",
		"url.full=http://127.0.0.1:<port>/pets/7")
	if seen := <-g.calls; seen.Get("Traceparent") != call.traceparent() || seen.Get("Authorization") != "Bearer "+marker {
		t.Errorf("the backend saw %v, want %q", seen, call.traceparent())
	}

	// A failure of ours is one of the span too.
	if status := request("/nobody"); status != http.StatusServiceUnavailable {
		t.Fatal(status)
	}
	failed, sent := g.await(t, "server", "GET /nobody"), g.await(t, "producer", "send sallyport.shop.dev.http.GET.nobody")
	g.wantAttributes(t, failed, append([]string{"http.response.status_code=503", "http.route=/nobody", "sallyport.route=GET /nobody",
		"url.path=/shop/dev/nobody", "error.type=unavailable"}, common...)...)
	if !failed.failed || !sent.failed || sent.attributes["error.type"] != "unavailable" {
		t.Errorf("a failed request is told by %v and %v", failed, sent)
	}
	g.stopAndLookForSecrets(t)
}

// A NATS backend finds the trace on the event, in lower case as other languages write it, and its push joins it.
func TestOneTraceWithANATSBackend(t *testing.T) {
	g := startTraced(t, map[string]string{"chat.yaml": tracedChat})
	events := serveSubject(t, g.nats, "sallyport.chat.dev.ws.tell", nil)
	u := dialSecretly(t, g.stageGateway, "/chat/dev")
	u.say(`{"action":"tell"}`)
	m, c := next(t, events)
	sent := g.await(t, "producer", "send sallyport.chat.dev.ws.tell")
	if got := m.Header["traceparent"]; len(got) != 1 || got[0] != sent.traceparent() {
		t.Errorf("the event has the headers %v, want traceparent %s", m.Header, sent.traceparent())
	}
	push := &nats.Msg{
		Subject: "sallyport.chat.dev.@connections." + string(c.ConnectionID), Data: []byte("pushed " + marker),
		Header: nats.Header{"traceparent": m.Header["traceparent"]},
	}
	if _, err := g.nats.RequestMsg(push, patience); err != nil {
		t.Fatal(err)
	}
	if got := u.hear(); got != "pushed "+marker {
		t.Error(got)
	}
	const pushed = "process sallyport.{api}.{stage}.@connections.{edge}.{connectionId}"
	g.wantTree(t, sent.trace, treeOfPush)
	g.wantAttributes(t, g.span(t, sent.trace, "consumer", pushed), "messaging.system=nats", "messaging.operation.name=process",
		"messaging.operation.type=process", "messaging.destination.name=sallyport.chat.dev.@connections.<edge>.<id>",
		"messaging.destination.template=sallyport.{api}.{stage}.@connections.{edge}.{connectionId}")

	u.say(`{"action":"nobody"}`)
	u.hears(frameInternal)
	failed := g.await(t, "server", "nobody")
	if !failed.failed || failed.attributes["error.type"] != "unavailable" {
		t.Errorf("a message that nobody takes is told by %v", failed)
	}
	_ = u.conn.CloseNow() // it reads no more, so it would not answer a close frame
	g.stopAndLookForSecrets(t)
}

// Without an OTEL_ variable nothing is exported and no message on NATS and no call of a backend carries a trace, whatever
// the client sends.
func TestNothingIsTracedUnasked(t *testing.T) {
	collector := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url) // an exporter would find it; the gateway itself is told nothing
	calls := make(chan http.Header, eventBuffer)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { calls <- r.Header }))
	t.Cleanup(backend.Close)
	g := startGateway(t, map[string]string{"chat.yaml": strings.ReplaceAll(tracedChat, "{backend}", backend.URL)}, nil)
	everything, err := g.nats.SubscribeSync("sallyport.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.nats.Flush(); err != nil {
		t.Fatal(err)
	}
	u := dialSecretly(t, g, "/chat/dev")
	u.say(`{"action":"tell"}`)
	subjects := map[string]bool{}
	for !subjects["sallyport.chat.dev.ws.tell"] {
		m, err := everything.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		subjects[m.Subject] = true
		for name := range m.Header {
			if strings.EqualFold(name, "traceparent") || strings.EqualFold(name, "tracestate") {
				t.Errorf("%s has the header %s", m.Subject, name)
			}
		}
	}
	if !subjects["sallyport.chat.dev.ws.$connect"] {
		t.Errorf("only these came: %v", subjects)
	}
	if call := <-calls; call.Get("Traceparent") != "" {
		t.Errorf("the backend saw %s", call.Get("Traceparent"))
	}
	_ = u.conn.CloseNow() // it reads no more, so it would not answer a close frame
	if err := g.stop(); err != nil {
		t.Error(err)
	}
	if collector.raw.Len() > 0 {
		t.Errorf("exported: %s", collector)
	}
}
