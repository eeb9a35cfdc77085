package test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// The list of §14: what emulators do and Amazon's service does not. None of it is true of this gateway, each bullet a
// subtest, all against one gateway with the limits of the aws profile.
func TestContract14MistakesNotCopied(t *testing.T) {
	t.Parallel()
	first, second := make(chan struct{}, 1), make(chan struct{})
	l := startLambdas(t, map[string]lambdaFunction{
		"bye": ok,
		"refuse": func(map[string]any) (any, error) {
			return map[string]any{"statusCode": 403, "body": "no"}, nil
		},
		"authorize": func(e map[string]any) (any, error) {
			arn, _ := e["methodArn"].(string)
			return policy("Allow", arn), nil
		},
		"wait": func(e map[string]any) (any, error) {
			select {
			case first <- struct{}{}:
				<-second // the first message is answered only when the second has come
			default:
				close(second)
			}
			return echoBody(e)
		},
	})
	backend, calls := recordingBackend(t)
	bye := "$disconnect: {integration: " + l.on("bye") + "}"
	to := func(kind, more string) string {
		return fmt.Sprintf(`{routeResponse: true, integration: {type: %s, httpMethod: POST, uri: "%s/answer/200/"%s}}`, kind, backend, more)
	}
	g := startGateway(t, map[string]string{
		"chat.yaml": socketAPI("chat", "limits: aws\nauthorizers:\n  users: {type: REQUEST, integration: "+l.on("authorize")+"}\n", whoRoute, bye,
			"$connect: {authorizer: users}", "wait: {routeResponse: true, integration: "+l.on("wait")+"}",
			"proxy: "+to("HTTP_PROXY", ""), "mapped: "+to("HTTP", ", responses: {$default: {}}")),
		"refuse.yaml": socketAPI("refuse", "", "$connect: {integration: "+l.on("refuse")+"}"),
		"http.yaml":   socketAPI("http", "", fmt.Sprintf(`$connect: {integration: {type: HTTP_PROXY, httpMethod: POST, uri: "%s/answer/200/"}}`, backend)),
		"idle.yaml":   socketAPI("idle", "limits: {profile: aws, idleTimeoutSeconds: 1}\n", whoRoute),
		"open.yaml":   socketAPI("open", "", whoRoute),
	}, nil)
	at := func(id gateway.ConnectionID) string { return callbackURL(g.Data, "chat/dev", id) }

	t.Run("$disconnect is not skipped after DELETE", func(t *testing.T) {
		id := rawDial(t, g, "/chat/dev").idOf()
		if got := call(t, "DELETE", at(id), ""); got != "204" {
			t.Errorf("DELETE: %s", got)
		}
		if got := endOf(t, l, id); got != `1000 "Connection Closed Normally"` {
			t.Errorf("$disconnect has %s", got)
		}
	})
	t.Run("a refusal is an HTTP status before the 101, no close with 1008 after it", func(t *testing.T) {
		if response, body := exchange(t, g, upgrade(g, "/refuse/dev")...); response.StatusCode != 403 || body != "no" {
			t.Errorf("%s %s", response.Status, body)
		}
	})
	t.Run("an unmatched route is Forbidden, and error frames have Amazon's order and spaces", func(t *testing.T) {
		conn := rawDial(t, g, "/chat/dev")
		id := conn.idOf()
		conn.frame(1, true, []byte(`{"action":"nowhere"}`))
		form := regexp.MustCompile(`^\{"message": "Forbidden", "connectionId":"` + regexp.QuoteMeta(string(id)) + `", "requestId":"[A-Za-z0-9_-]{15}="\}$`)
		if got := conn.next(); !form.MatchString(got) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("HTTP and HTTP_PROXY are supported, and get the raw message instead of an event", func(t *testing.T) {
		conn := rawDial(t, g, "/chat/dev")
		for _, route := range []string{"proxy", "mapped"} {
			text := `{ "action": "` + route + `" }`
			conn.frame(1, true, []byte(text))
			if got := nextCall(t, calls); got.body != text {
				t.Errorf("%s: the backend got %q", route, got.body)
			}
			if got := conn.next(); got != text {
				t.Errorf("%s: the client got %q", route, got)
			}
		}
	})
	t.Run("no body is invented for $connect", func(t *testing.T) {
		rawDial(t, g, "/http/dev")
		if got := nextCall(t, calls); got.body != "" {
			t.Errorf("the backend got %q", got.body)
		}
	})
	t.Run("binary frames close with 1003", func(t *testing.T) {
		conn := rawDial(t, g, "/chat/dev")
		conn.frame(2, true, []byte("bytes"))
		if got := conn.next(); !strings.HasPrefix(got, "closed 1003") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("GET has lower camel case", func(t *testing.T) {
		got := call(t, "GET", at(rawDial(t, g, "/chat/dev").idOf()), "")
		if names := regexp.MustCompile(`"(\w+)":`).FindAllString(got, -1); fmt.Sprint(names) != `["connectedAt": "identity": "sourceIp": "userAgent": "lastActiveAt":]` {
			t.Errorf("GET: %s", got)
		}
	})
	t.Run("ids have 16 characters", func(t *testing.T) {
		if id := rawDial(t, g, "/chat/dev").idOf(); !regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`).MatchString(string(id)) {
			t.Errorf("an id is %s", id)
		}
	})
	t.Run("messages of one connection are not served one after the other", func(t *testing.T) {
		conn := rawDial(t, g, "/chat/dev")
		for _, text := range []string{`{"action":"wait","n":1}`, `{"action":"wait","n":2}`} {
			conn.frame(1, true, []byte(text))
		}
		if got := []string{conn.next(), conn.next()}; got[0] == got[1] {
			t.Errorf("the client got %q", got)
		}
	})
	t.Run("a JWT on $connect is nobody's business unless the definition, beyond Amazon's, asks for it", func(t *testing.T) {
		if _, status := knock(t, g, "/open/dev", http.Header{"Authorization": {"Bearer junk"}}); status != 101 {
			t.Errorf("the client got %d", status)
		}
	})
	t.Run("the stage in the URL is not ignored", func(t *testing.T) {
		if _, status := knock(t, g, "/chat/prod", nil); status != http.StatusForbidden {
			t.Errorf("the client got %d", status)
		}
		if got := call(t, "GET", callbackURL(g.Data, "chat/prod", rawDial(t, g, "/chat/dev").idOf()), ""); !strings.HasPrefix(got, "403 ForbiddenException") {
			t.Errorf("GET: %s", got)
		}
	})
	t.Run("the idle timeout is enforced", func(t *testing.T) {
		began := time.Now()
		if got := rawDial(t, g, "/idle/dev").next(); got != "closed 1001 Going away" || time.Since(began) < time.Second {
			t.Errorf("after %s the client got %q", time.Since(began), got)
		}
	})
	t.Run("the authorizer is not called again on disconnect, and a closed id is not 200", func(t *testing.T) {
		conn := rawDial(t, g, "/chat/dev")
		id := conn.idOf()
		before := len(l.of("authorize"))
		conn.frame(8, true, nil)
		l.awaitOf(t, "bye", id, "DISCONNECT")
		if got := len(l.of("authorize")); got != before {
			t.Errorf("the authorizer was asked %d times more", got-before)
		}
		for _, method := range []string{"POST", "GET", "DELETE"} {
			if got := call(t, method, at(id), ""); got != "410 GoneException" {
				t.Errorf("%s: %s", method, got)
			}
		}
	})
}
