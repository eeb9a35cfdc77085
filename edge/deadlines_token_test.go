package edge

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// plainTokens is a JWT authorizer whose tokens say what they are: principal/seconds from now/scope.
type plainTokens struct{}

func (a plainTokens) Authorize(ctx context.Context, r *gateway.AuthorizationRequest) (*gateway.Authorization, error) {
	return a.Verify(ctx, r.Event.Header.Get("Token"))
}

func (plainTokens) Verify(_ context.Context, token string) (*gateway.Authorization, error) {
	parts := strings.Split(token, "/")
	if len(parts) != 3 {
		return nil, gateway.Errorf(gateway.CodeUnauthorized, "Unauthorized")
	}
	seconds, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeUnauthorized, "Unauthorized")
	}
	who, err := json.Marshal(map[string]string{"principalId": parts[0], "iss": "https://id.example.com"})
	if err != nil {
		return nil, err
	}
	return &gateway.Authorization{Context: who, Scopes: parts[2:], ExpiresAt: time.Now().Add(time.Duration(seconds) * time.Second)}, nil
}

// A connection lives as long as its token, and as long as the one that renews it; one of somebody else renews nothing.
func TestTokenExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		w := newPipeWorld(t, chatAPI(func(a *gateway.API) {
			a.Authorizers = map[string]*gateway.AuthorizerSettings{"users": {
				Type: gateway.AuthorizerJWT, IdentitySource: []string{"route.request.header.Token"},
				JWTConfiguration: &gateway.JWTConfiguration{Issuer: "https://id.example.com", Audience: []string{"chat"}},
			}}
			a.Routes[gateway.RouteConnect].Authorizer = "users"
			a.Routes["ask"].AuthorizationScopes = []string{"write"}
			a.Routes[gateway.RouteRefresh] = &gateway.Route{RouteResponse: true, Integration: a.Routes["ask"].Integration}
		}, withLimits(func(l *gateway.LimitSettings) { l.PingIntervalSeconds = ptr(0) })), func(c *Config) {
			c.Authorizers = func(*router.Program, *router.Authorizer) (gateway.Authorizer, error) { return plainTokens{}, nil }
			c.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		})
		defer w.end()
		echo := func(ev *gateway.Event) (*gateway.Reply, error) { return &gateway.Reply{Body: []byte(ev.Route)}, nil }
		w.sender.on("ask", echo)
		w.sender.on(gateway.RouteRefresh, echo)
		says := func(c *client, what, want string) {
			t.Helper()
			c.say(what)
			if _, got := c.read(); !strings.HasPrefix(string(got), want) {
				t.Errorf("%s: got %s, want %s", what, got, want)
			}
		}
		const ask = `{"action":"ask"}`
		refresh := func(token string) string { return `{"action":"$refresh","token":"` + token + `"}` }

		// Renewed: open after the old token's end, closed at the new one's.
		c := w.connect("Token: ann/60/read")
		says(c, ask, `{"message": "Forbidden"`)
		elapse(30 * time.Second)
		says(c, refresh("junk"), `{"message": "Unauthorized"`)
		says(c, refresh("eve/3600/write"), `{"message": "Forbidden"`)
		says(c, ask, `{"message": "Forbidden"`)
		says(c, refresh("ann/120/write"), `$refresh`)
		w.sender.next(t, gateway.RouteRefresh)
		renewed := time.Now()
		says(c, ask, "ask")
		w.sender.next(t, "ask")
		elapse(100 * time.Second) // 70 past the old token's end
		if w.hub.get(c.id) == nil {
			t.Fatal("closed at the end of the token that was renewed")
		}
		says(c, ask, "ask")
		w.sender.next(t, "ask")
		c.wantClose(4001, "Token expired")
		soon(t, "closed", time.Since(renewed), 120*time.Second)
		w.wantDisconnect(c, 4001, "Token expired")
		_ = c.Close()

		// Renewed to less: the new token's end counts, though it comes first.
		c = w.connect("Token: bob/3600/write")
		says(c, refresh("bob/10/write"), `$refresh`)
		w.sender.next(t, gateway.RouteRefresh)
		start := time.Now()
		c.wantClose(4001, "Token expired")
		soon(t, "closed", time.Since(start), 10*time.Second)
		w.wantDisconnect(c, 4001, "Token expired")
		_ = c.Close()
		synctest.Wait()
		series := measured(t, reader)
		const want = "sallyport.disconnects [{connection}] sallyport.api=chat,sallyport.disconnect.cause=expired,sallyport.stage=dev: 2"
		if !slices.Contains(series, want) {
			t.Errorf("%s is not among\n%s", want, strings.Join(series, "\n"))
		}
	})
}
