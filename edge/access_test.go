package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// chatWithModel is chatAPI with a model for say: numbers, at least 0.
func chatWithModel(api *gateway.API) {
	api.Models = map[string]*gateway.Model{"Say": {Schema: json.RawMessage(`{"properties":{"n":{"type":"number","minimum":0}}}`)}}
	api.Routes["say"].RequestModels = map[string]string{"$default": "Say"}
}

// Models take memory while they run: as many run at once as there are slots, and the others wait.
func TestValidationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := hotSocket(t)
		s, p := k.server, compileChat(t, chatAPI(chatWithModel))
		for range cap(s.validations) {
			s.validations <- struct{}{}
		}
		validate := func(route gateway.RouteKey) <-chan error {
			ended := make(chan error, 1)
			m := arrival{
				socket: k, program: p, in: inbound{payload: []byte(`{"action":"say","n":1}`)}, start: s.now(), beside: true,
			}
			go func() { ended <- s.admitMessage(m, p.Route(route)) }()
			synctest.Wait()
			return ended
		}
		waiting := validate("say")
		select {
		case err := <-waiting:
			t.Errorf("one more than there are slots was validated: %v", err)
		case err := <-validate("ask"):
			if err != nil {
				t.Errorf("a route without models: %v", err)
			}
		}
		<-s.validations
		if err := <-waiting; err != nil {
			t.Error(err)
		}
		if n := len(s.validations); n != cap(s.validations)-1 {
			t.Errorf("%d slots are taken, want %d", n, cap(s.validations)-1)
		}
	})
}

// The message that once ended the process.
func TestNumbersOutOfRangeAreRefused(t *testing.T) {
	w := newWorld(t, chatAPI(chatWithModel))
	c := w.connect()
	c.say(`{"action":"say","n":1e9999999}`)
	if _, b := c.read(); !strings.HasPrefix(string(b), `{"message": "Bad request body"`) {
		t.Errorf("the client got %s", b)
	}
	c.say(`{"action":"say","n":1}`)
	if got := w.sender.next(t, "say"); got.Connection != c.id {
		t.Errorf("the event is of %s", got.Connection)
	}
}

// admitting is an authorizer that lets everybody in and remembers what it was asked.
type admitting struct {
	asked chan *gateway.AuthorizationRequest
}

func (a *admitting) Authorize(_ context.Context, r *gateway.AuthorizationRequest) (*gateway.Authorization, error) {
	a.asked <- r
	return &gateway.Authorization{}, nil
}

// askedWorld is a world whose $connect asks an authorizer that lets everybody in.
func askedWorld(t *testing.T, change func(*gateway.API)) (*world, *admitting) {
	t.Helper()
	a := &admitting{make(chan *gateway.AuthorizationRequest, 10)}
	w := newWorld(t, chatAPI(func(api *gateway.API) {
		api.Authorizers = map[string]*gateway.AuthorizerSettings{"users": {
			Type: gateway.AuthorizerRequest, IdentitySource: []string{"route.request.querystring.token", "route.request.multivaluequerystring.a.b"},
			Integration: &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationNATS}},
		}}
		api.Routes[gateway.RouteConnect].Authorizer = "users"
		change(api)
	}), func(c *Config) {
		c.Authorizers = func(*router.Program, *router.Authorizer) (gateway.Authorizer, error) { return a, nil }
	})
	return w, a
}

// Authorizers see the headers of this hop, $connect does not (contract/websocket-api.md §6.1, §10.1); and a handshake has one
// trace id, whoever is told it.
func TestHeadersOfAuthorizers(t *testing.T) {
	w, a := askedWorld(t, func(*gateway.API) {})
	if _, status, body := w.knock(upgradeRequest("/chat/dev?token=1&a.b=2", "Sallyport-Context: {}")); status != http.StatusSwitchingProtocols {
		t.Fatalf("%d %s", status, body)
	}
	asked, connect := (<-a.asked).Event.Header, w.sender.next(t, gateway.RouteConnect).Header
	if asked.Get("Connection") != "Upgrade" || asked.Get("Upgrade") != "websocket" || asked.Get("Sallyport-Context") != "" {
		t.Errorf("the authorizer got %v", asked)
	}
	if connect.Get("Connection") != "" || connect.Get("Upgrade") != "" || connect.Get("Sec-WebSocket-Version") == "" {
		t.Errorf("$connect got %v", connect)
	}
	if trace := asked.Get(headerTraceID); !strings.HasPrefix(trace, "Root=1-") || connect.Get(headerTraceID) != trace {
		t.Errorf("the trace ids are %q and %q", trace, connect.Get(headerTraceID))
	}
}

// What a client shows itself by in its query is neither stored nor in later events.
func TestKeptQueryHasNoIdentity(t *testing.T) {
	w, a := askedWorld(t, func(api *gateway.API) {
		api.KeepHandshake = []gateway.HandshakePart{gateway.HandshakeQuery}
	})
	c, status, body := w.knock(upgradeRequest("/chat/dev?token=SECRET1&room=a%20b&t%6Fken=SECRET2&a.b=SECRET3&tokens=2"))
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("%d %s", status, body)
	}
	if asked := <-a.asked; !strings.Contains(string(asked.Event.Context), "SECRET2") {
		t.Errorf("the authorizer got %s", asked.Event.Context)
	}
	connect := w.sender.next(t, gateway.RouteConnect)
	if !strings.Contains(string(connect.Context), "SECRET2") {
		t.Errorf("$connect got %s", connect.Context)
	}
	c.say(`{"action":"say"}`)
	if said := string(w.sender.next(t, "say").Context); strings.Contains(said, "SECRET") || !strings.Contains(said, `"room=a%20b&tokens=2"`) {
		t.Errorf("the message's context is %s", said)
	}
	w.journal.mu.Lock()
	stored := w.journal.open[connect.Connection].Handshake
	w.journal.mu.Unlock()
	if stored == nil || stored.Query != "room=a%20b&tokens=2" || stored.Header != nil {
		t.Errorf("stored is %+v", stored)
	}
}

func TestTokenIn(t *testing.T) {
	for body, want := range map[string]string{
		`{"action":"$refresh","token":"a.b.c"}`: "a.b.c", `{"token":"first","x":1,"t\u006fken":"last"}`: "last", `{"action":"$refresh"}`: "", `{"token":null}`: "", `nonsense`: "",
	} {
		if got := tokenIn([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
