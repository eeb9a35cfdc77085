package test

import (
	"net/http"
	"strings"
	"testing"
)

// rolesChat has routes of a backend on NATS and one of the workers; rolesShop is another API, whose backend is away.
const rolesChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: {type: NATS, timeoutInMillis: 5000}}
  $disconnect: {integration: {type: NATS}}
  ask: {integration: {type: NATS, timeoutInMillis: 5000}, routeResponse: true}
  clock:
    integration:
      {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}, responses: {default: {responseTemplates: {application/json: noon}}}}
    routeResponse: true
  note:
    delivery: atLeastOnce
    acknowledge: true
    integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}, responses: {default: {}}}
stages: {dev: {}}
`

const rolesShop = `name: shop
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  buy: {integration: {type: NATS, timeoutInMillis: 5000}, routeResponse: true}
stages: {dev: {}}
`

// TestLeastPrivilege runs edge, worker and control as three processes on the servers of deploy/nats, each as its own user: a
// client is served by a backend that is a user too, and none of them may do what is another's.
func TestLeastPrivilege(t *testing.T) {
	cluster := startRolesCluster(t)
	dir := t.TempDir()
	control := cluster.start("control", write(t, dir, "chat.yaml", rolesChat), write(t, dir, "shop.yaml", rolesShop))
	worker, edge := cluster.start("worker"), cluster.start("edge")
	for _, p := range []*gatewayProcess{control, worker, edge} {
		eventually(t, "ready", func() error {
			if answer, err := tryCall(t, http.MethodGet, "http://"+p.Admin+"/readyz", ""); err != nil || !strings.HasPrefix(answer, "200") {
				return errorf("%s %v", answer, err)
			}
			return nil
		})
	}

	chat := cluster.join("chat")
	connects := serveSubject(t, chat.Conn, "sallyport.chat.dev.ws.$connect", reply(""))
	ends := serveSubject(t, chat.Conn, "sallyport.chat.dev.ws.$disconnect", reply(""))
	asks := serveSubject(t, chat.Conn, "sallyport.chat.dev.ws.ask", reply("answer"))
	client := dial(t, edge.Data, "/chat/dev")
	id := connected(t, connects)
	client.say(`{"action":"ask"}`)
	client.hears("answer")
	asked, _ := next(t, asks)
	client.say(`{"action":"clock"}`)
	client.hears("noon")
	// The edge stores a message, the worker takes it out of the store.
	client.say(`{"action":"note"}`)
	client.stored()
	eventually(t, "served from the store", func() error {
		metrics := call(t, http.MethodGet, "http://"+worker.Admin+"/metrics", "")
		if !strings.Contains(metrics, `sallyport_integration_duration_seconds_count{sallyport_api="chat",sallyport_integration_type="MOCK",sallyport_route="note",`) {
			return errorf("the worker has not")
		}
		return nil
	})
	// Callbacks by the id alone.
	subject := "sallyport.chat.dev.@connections." + string(id)
	if err := chat.Publish(subject, []byte("pushed")); err != nil {
		t.Fatal(err)
	}
	client.hears("pushed")
	for verb, status := range map[string]string{"": "200", ".get": "200"} {
		m, err := chat.Request(subject+verb, []byte("asked"), patience)
		if err != nil || m.Header.Get("Sallyport-Status") != status {
			t.Errorf("callback %q: %v, %v", verb, m, err)
		}
	}
	client.hears("asked")
	chat.wasRefused()

	t.Run("a backend has its own API alone", func(t *testing.T) {
		// Whoever would hear it: an edge for callbacks and answers, a worker for events.
		edgeUser, workerUser := cluster.join("edge"), cluster.join("worker")
		push, event, answer := "sallyport.shop.dev.@connections.AbCd.AbCdefghijklmno=", "sallyport.shop.dev.ws.buy", asked.Reply
		heardPush := serveSubject(t, edgeUser.Conn, "sallyport.shop.dev.@connections.AbCd.>", nil)
		heardEvent, err := workerUser.QueueSubscribeSync(event, "sallyport")
		if err != nil {
			t.Fatal(err)
		}
		heardAnswer, err := edgeUser.SubscribeSync(answer)
		if err != nil {
			t.Fatal(err)
		}
		edgeUser.wasRefused()
		workerUser.wasRefused()
		chat.mayNotPublish(push, event, answer,
			"sallyport.chat.dev.ws.ask", "sallyport.chat.dev.http.GET", "sallyport.chat.dev.@durable.ws.note", // only edges send events
			"sallyport.@journal.%.AbCd", "$KV.sallyport-leases.AbCd", "$KV.sallyport-catalog.live", "$JS.API.INFO", "$JS.API.STREAM.DELETE.sallyport-connections")
		// Permissions are of the mapped subject, so the short form is no way round them.
		chat.isRefused(push, func() error { return chat.Publish("sallyport.shop.dev.@connections.AbCdefghijklmno=", nil) })
		// Nor does an edge publish there for it, by way of an answer.
		for _, there := range []string{event, "sallyport.@journal.%.AbCd", "$KV.sallyport-leases.AbCd", "$JS.API.STREAM.PURGE.sallyport-connections"} {
			if err := chat.PublishRequest(subject+".get", there, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := chat.Request(subject+".get", nil, patience); err != nil { // commands of one connection keep their order
			t.Fatal(err)
		}
		edgeUser.flush()
		workerUser.flush()
		for what, sub := range map[string]interface{ Pending() (int, int, error) }{"event": heardEvent, "answer": heardAnswer} {
			if n, _, err := sub.Pending(); err != nil || n != 0 {
				t.Errorf("%d messages came on the %s's subject, %v", n, what, err)
			}
		}
		if len(heardPush) != 0 {
			t.Error("a callback of another API came through")
		}
		chat.mayNotSubscribe(event, "sallyport.shop.>", "sallyport.*.*.ws.>", "sallyport.>", ">", "sallyport.chat.>", "sallyport.@edge.*.r.>",
			"sallyport.@journal.>", "sallyport.@tap.*.*", "$KV.>", "_INBOX.>", "_INBOX.shop.>")
	})

	t.Run("a worker writes no journal and sends no event", func(t *testing.T) {
		user := cluster.join("worker")
		if m, err := user.Request("sallyport.chat.dev.@dead.ws.note", nil, patience); err != nil || !strings.Contains(string(m.Data), "sallyport-dead") {
			t.Errorf("a dead letter got %v, %v", m, err)
		}
		user.mayNotPublish("sallyport.chat.dev.@durable.ws.note", "$JS.API.STREAM.CREATE.sallyport-durable", "$JS.API.STREAM.PURGE.sallyport-dead",
			"sallyport.@journal.%.AbCd", "$KV.sallyport-leases.AbCd", "$KV.sallyport-catalog.live", "$KV.sallyport-access-keys.AKIA",
			"$JS.API.STREAM.PURGE.sallyport-connections", "$JS.API.STREAM.DELETE.sallyport-connections", "$JS.API.STREAM.UPDATE.sallyport-connections",
			"sallyport.chat.dev.ws.ask", "sallyport.chat.dev.@connections.AbCd.AbCdefghijklmno=", asked.Reply)
		user.mayNotSubscribe("sallyport.>", "sallyport.*.*.@connections.*.>", "sallyport.@journal.>")
	})

	t.Run("an edge is no backend and deploys nothing", func(t *testing.T) {
		user := cluster.join("edge")
		user.mayNotSubscribe("sallyport.chat.dev.ws.ask", "sallyport.chat.dev.http.>", "sallyport.@keys.get", "sallyport.>")
		user.mayNotPublish("sallyport.chat.dev.@dead.ws.note", "$JS.API.CONSUMER.CREATE.sallyport-durable.x", "$JS.API.STREAM.CREATE.sallyport-durable",
			"$KV.sallyport-catalog.live", "$KV.sallyport-access-keys.AKIA", "$KV.sallyport-keysets.x", "$JS.API.STREAM.DELETE.sallyport-connections",
			"$JS.API.STREAM.CREATE.thief", "sallyport.@node.x")
	})

	t.Run("control sends no event and writes no journal", func(t *testing.T) {
		user := cluster.join("control")
		user.mayNotPublish("sallyport.@journal.%.AbCd", "$KV.sallyport-leases.AbCd", "sallyport.chat.dev.ws.ask", "$JS.API.STREAM.PURGE.sallyport-connections")
		user.mayNotSubscribe("sallyport.chat.dev.ws.ask", "sallyport.>")
	})

	// Still served, and the end is told.
	client.say(`{"action":"ask"}`)
	client.hears("answer")
	if err := client.conn.CloseNow(); err != nil {
		t.Fatal(err)
	}
	if _, c := next(t, ends); c.ConnectionID != id {
		t.Errorf("the end of %s was told, want %s", c.ConnectionID, id)
	}
	// The processes have met no refusal either: their users lack nothing.
	for name, p := range map[string]*gatewayProcess{"control": control, "worker": worker, "edge": edge} {
		p.terminate()
		if code := p.exit(2 * patience); code != 0 {
			t.Errorf("%s ended with %d", name, code)
		}
		if strings.Contains(p.output.String(), passwordOf(name)) {
			t.Errorf("%s prints its password:\n%s", name, p.output)
		}
		if log := p.output.String(); strings.Contains(strings.ToLower(log), "permissions violation") {
			t.Errorf("%s was refused something:\n%s", name, log)
		}
	}
}
