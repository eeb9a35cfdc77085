package integrations_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/httpproxy"
	"github.com/sallyport/sallyport/integrations/lambda"
	"github.com/sallyport/sallyport/integrations/nats"
	"github.com/sallyport/sallyport/router"
)

// authorized compiles a chat API whose $connect asks the authorizer users, and nothing else runs.
func authorized(t *testing.T, in *gateway.Integration) *router.Program {
	t.Helper()
	api := &gateway.API{
		APIID: "chat", Name: "Chat", Protocol: gateway.ProtocolWebSocket, RouteSelectionExpression: "$request.body.action",
		Authorizers: map[string]*gateway.AuthorizerSettings{
			"users": {Type: gateway.AuthorizerRequest, Integration: &gateway.IntegrationRef{Inline: in}},
		},
		Routes: map[gateway.RouteKey]*gateway.Route{gateway.RouteConnect: {Authorizer: "users"}},
		Stages: map[gateway.StageName]*gateway.Stage{"dev": {Variables: map[string]string{"f": "auth"}}},
	}
	p, faults := router.Compile(&gateway.Deployment{ID: "d1", API: api, Stage: "dev"},
		router.Config{Subject: bus.Subjects{}.Event, AuthSubject: bus.Subjects{}.Authorizer})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p
}

const authorizerInput = `{"type":"REQUEST","methodArn":"arn:x"}`

// ask sends an authorizer's event as an edge does.
func (h hop) ask(t *testing.T) (*gateway.Reply, error) {
	t.Helper()
	return h.client.Invoke(t.Context(), &gateway.Event{
		Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: gateway.RouteConnect, Expect: gateway.ExpectReply,
		Subject: bus.Subjects{}.Authorizer("chat", "dev", "users"), Timeout: time.Minute,
		Context: []byte(`{"connectionId":"AbCdEfGhIjKlMnO=","requestId":"RbCdEfGhIjKlMnO=","eventType":"CONNECT"}`),
		Body:    []byte(authorizerInput),
	})
}

// authorizerHop is newHop with the kinds that authorizers may have.
func authorizerHop(t *testing.T) hop {
	t.Helper()
	h := newHop(t)
	calls := backend.New(backend.Config{})
	t.Cleanup(calls.Close)
	proxy, err := httpproxy.New(httpproxy.Config{Client: calls})
	if err != nil {
		t.Fatal(err)
	}
	function, err := lambda.New(lambda.Config{Client: calls})
	if err != nil {
		t.Fatal(err)
	}
	onward, err := nats.New(nats.Config{Bus: h.client, Prefix: bus.DefaultPrefix})
	if err != nil {
		t.Fatal(err)
	}
	var server *bus.Server
	h.worker = newWorker(t, integrations.Config{
		Kinds: []integrations.Kind{proxy, function, onward},
		Serve: func(r []bus.ServedRoute) error { return server.Serve(r) },
	})
	if server, err = bus.NewServer(bus.ServerConfig{Conn: h.conn, Handler: h.worker}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return h
}

// TestAuthorizersAreServed: workers call functions, HTTP backends and NATS subjects for authorizers, whose events reach all
// of them unwrapped.
func TestAuthorizersAreServed(t *testing.T) {
	var method, path, contentType, body string
	var status int
	var functionError, output string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read, _ := io.ReadAll(r.Body) // a broken body fails the comparison
		method, path, contentType, body = r.Method, r.URL.Path, r.Header.Get("Content-Type"), string(read)
		if functionError != "" {
			w.Header().Set("X-Amz-Function-Error", functionError)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, output)
	}))
	defer server.Close()
	h := authorizerHop(t)
	long := `"` + string(make([]byte, 9<<10)) + `"`
	function := &gateway.Integration{Type: gateway.IntegrationLambda, URI: server.URL + "/${stageVariables.f}"}
	proxied := &gateway.Integration{Type: gateway.IntegrationHTTPProxy, HTTPMethod: http.MethodPost, URI: server.URL + "/${stageVariables.f}"}
	for _, test := range []struct {
		name          string
		in            *gateway.Integration
		status        int
		functionError string
		output        string
		code          gateway.Code
		want          int
	}{
		{"a function's output", function, 200, "", `{"principalId":"me"}`, "", 200},
		{"a function refuses", function, 200, "Unhandled", `{"errorMessage":"Unauthorized","errorType":"Error"}`, gateway.CodeUnauthorized, 0},
		{"a function crashes", function, 200, "Unhandled", `{"errorMessage":"Unauthorized!"}`, gateway.CodeIntegration, 0},
		{"an endpoint that fails", function, 403, "", `{}`, gateway.CodeInternal, 0},
		{"a function's output is too long", function, 200, "", long, gateway.CodeIntegration, 0},
		{"an HTTP backend's answer", proxied, 200, "", `{"principalId":"me"}`, "", 200},
		{"an HTTP backend refuses", proxied, 401, "", `{}`, "", 401},
		{"an HTTP backend's answer is too long", proxied, 200, "", long, gateway.CodeIntegration, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, functionError, output = test.status, test.functionError, test.output
			if failed := swap(t, h.worker, tableOf(authorized(t, test.in))); len(failed) > 0 {
				t.Fatal(failed)
			}
			reply, err := h.ask(t)
			if code := gateway.ErrorCode(err); code != test.code {
				t.Fatalf("%v, %v; want code %q", reply, err, test.code)
			}
			if method != http.MethodPost || path != "/auth" || contentType != "application/json" || body != authorizerInput {
				t.Errorf("the backend got %s %s (%s): %s", method, path, contentType, body)
			}
			if err == nil && (reply.Status != test.want || string(reply.Body) != output) {
				t.Errorf("%d %s", reply.Status, reply.Body)
			}
		})
	}
	t.Run("a NATS subject", func(t *testing.T) {
		sub, err := h.nats.Subscribe("auth.check", func(m *natsgo.Msg) { _ = m.Respond(m.Data) }) // a lost answer fails the test
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Unsubscribe() }() // the connection ends with the test anyway
		in := &gateway.Integration{Type: gateway.IntegrationNATS, Subject: "auth.check"}
		if failed := swap(t, h.worker, tableOf(authorized(t, in))); len(failed) > 0 {
			t.Fatal(failed)
		}
		if reply, err := h.ask(t); err != nil || string(reply.Body) != authorizerInput {
			t.Errorf("%v, %v", reply, err)
		}
	})
	t.Run("left to NATS clients", func(t *testing.T) {
		swap(t, h.worker, tableOf(authorized(t, &gateway.Integration{Type: gateway.IntegrationNATS})))
		if _, err := h.ask(t); !errors.Is(err, bus.ErrNoResponders) {
			t.Errorf("our worker serves it: %v", err)
		}
	})
}

// TestUnopenedAuthorizer: one that can't be opened is named by its place in the definition, and served by nobody.
func TestUnopenedAuthorizer(t *testing.T) {
	var served []bus.ServedRoute
	calls := backend.New(backend.Config{})
	t.Cleanup(calls.Close)
	function, err := lambda.New(lambda.Config{Client: calls})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(t, integrations.Config{
		Kinds: []integrations.Kind{function}, Serve: func(r []bus.ServedRoute) error { served = r; return nil },
	})
	for in, want := range map[*gateway.Integration]string{
		{Type: gateway.IntegrationLambda, URI: "${stageVariables.f}/x"}: "chat/dev: authorizers.users.integration.uri: ",
		{Type: gateway.IntegrationHTTPProxy, URI: "http://h"}:           "chat/dev: authorizers.users.integration: ",
	} {
		failed := swap(t, w, tableOf(authorized(t, in)))
		if len(failed) != 1 || len(served) != 0 || len(failed[0].String()) < len(want) || failed[0].String()[:len(want)] != want {
			t.Errorf("unopened %v, served %v; want %s…", failed, served, want)
		}
	}
}
