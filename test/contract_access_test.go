package test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"
)

// §10.1: what an authorizer is asked, when it is not, and what of its answer is bad. Policies and their ARNs, and that it
// is asked once a connection, are TestConformance15Authorizer.
func TestContract101Authorizer(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{
		"authorize": func(e map[string]any) (any, error) {
			arn, _ := e["methodArn"].(string)
			answer := policy("Allow", arn)
			switch member(e, "headers", "X-Answer") {
			case "no principal":
				delete(answer, "principalId")
			case "no policy":
				delete(answer, "policyDocument")
			case "object":
				answer["context"] = map[string]any{"a": map[string]any{"b": 1}}
			case "array":
				answer["context"] = map[string]any{"a": []int{1}}
			case "long":
				answer["context"] = map[string]any{"a": strings.Repeat("x", 8<<10)}
			case "simple":
				return map[string]any{"isAuthorized": true}, nil
			}
			return answer, nil
		},
	})
	files := map[string]string{}
	api := func(name string, sources ...string) {
		files[name+".yaml"] = socketAPI(name, fmt.Sprintf("authorizers:\n  users: {type: REQUEST, identitySource: [%s], integration: %s}\n", strings.Join(sources, ", "), l.on("authorize")),
			"$connect: {authorizer: users}", whoRoute) + "stages: {dev: {}, prod: {variables: {tenant: acme}}}\n"
	}
	api("none")
	api("header", "route.request.header.Authorization")
	api("query", "route.request.querystring.token")
	api("http-api", "$request.header.Authorization")
	api("both", "route.request.header.Authorization", "route.request.querystring.token")
	api("variable", "stageVariables.tenant")
	api("context", "context.identity.sourceIp")
	api("protocol", "route.request.header.Sec-WebSocket-Protocol")
	g := startGateway(t, files, nil)

	const token, empty = "Authorization: t", "Authorization:"
	for _, c := range []struct {
		row, path string
		lines     []string
		status    int
		asked     bool
	}{
		{"no identity source", "/none/dev", nil, 101, true},
		{"header", "/header/dev", []string{token}, 101, true},
		{"header missing", "/header/dev", nil, 401, false},
		{"header empty", "/header/dev", []string{empty}, 401, false},
		{"query", "/query/dev?token=t", nil, 101, true},
		{"query missing", "/query/dev?other=t", nil, 401, false},
		{"query empty", "/query/dev?token=", nil, 401, false},
		{"the spelling of HTTP APIs", "/http-api/dev", []string{token}, 101, true},
		{"the spelling of HTTP APIs, missing", "/http-api/dev", nil, 401, false},
		{"all of them", "/both/dev?token=t", []string{token}, 101, true},
		{"one of two missing", "/both/dev?token=t", nil, 401, false},
		{"the other of two missing", "/both/dev", []string{token}, 401, false},
		{"stage variable", "/variable/prod", nil, 101, true},
		{"stage variable missing", "/variable/dev", nil, 401, false},
		{"context", "/context/dev", nil, 101, true},
		{"token in Sec-WebSocket-Protocol", "/protocol/dev", []string{"Sec-WebSocket-Protocol: t"}, 101, true},
		{"token in Sec-WebSocket-Protocol, missing", "/protocol/dev", nil, 401, false},
		{"missing principalId → 500", "/none/dev", []string{"X-Answer: no principal"}, 500, true},
		{"missing policyDocument → 500", "/none/dev", []string{"X-Answer: no policy"}, 500, true},
		{"an object in the context → 500", "/none/dev", []string{"X-Answer: object"}, 500, true},
		{"an array in the context → 500", "/none/dev", []string{"X-Answer: array"}, 500, true},
		{"output over 8 KB → 500", "/none/dev", []string{"X-Answer: long"}, 500, true},
		{"no simple responses → 500", "/none/dev", []string{"X-Answer: simple"}, 500, true},
	} {
		t.Run(c.row, func(t *testing.T) {
			before := len(l.of("authorize"))
			response, body := exchange(t, g, upgrade(g, c.path, c.lines...)...)
			if response.StatusCode != c.status {
				t.Errorf("%s %s", response.Status, body)
			}
			if c.status == 401 && body != `{"message":"Unauthorized"}` {
				t.Errorf("the refusal is %s", body)
			}
			if asked := len(l.of("authorize")) > before; asked != c.asked {
				t.Errorf("the authorizer was asked: %t", asked)
			}
		})
	}
	t.Run("its event", func(t *testing.T) {
		exchange(t, g, upgrade(g, "/none/prod?a=1&a=2", "X-Mine: 1")...)
		asked := l.of("authorize")
		event := asked[len(asked)-1]
		if got := slices.Sorted(maps.Keys(event)); !slices.Equal(got, []string{"headers", "methodArn", "multiValueHeaders",
			"multiValueQueryStringParameters", "queryStringParameters", "requestContext", "stageVariables", "type"}) {
			t.Errorf("it has the members %v", got)
		}
		context, _ := event["requestContext"].(map[string]any)
		for want, got := range map[string]any{
			"REQUEST": event["type"], "arn:aws:execute-api:us-east-1:000000000000:none/prod/$connect": event["methodArn"], "CONNECT": context["eventType"],
			"1": member(event, "headers", "X-Mine"), "Upgrade": member(event, "headers", "Connection"), "websocket": member(event, "headers", "Upgrade"),
			"2": member(event, "queryStringParameters", "a"), "[1 2]": fmt.Sprint(member(event, "multiValueQueryStringParameters", "a")), "acme": member(event, "stageVariables", "tenant"),
		} {
			if got != want {
				t.Errorf("it has %v where %s is due", got, want)
			}
		}
		if _, there := context["authorizer"]; there {
			t.Errorf("its context has an authorizer")
		}
		exchange(t, g, upgrade(g, "/none/dev")...)
		asked = l.of("authorize")
		for _, name := range []string{"stageVariables", "queryStringParameters"} {
			if got := asked[len(asked)-1][name]; !cmp.Equal(got, any(map[string]any{})) {
				t.Errorf("without any, %s is %v", name, got)
			}
		}
	})
	for row, c := range map[string]struct{ text, fault string }{
		"only on $connect": {socketAPI("chat", "authorizers: {users: {type: REQUEST, integration: {type: NATS}}}\n", "x: {authorizer: users, integration: {type: NATS}}"), "routes.x.authorizer"},
		"no TOKEN type":    {socketAPI("chat", "authorizers: {users: {type: TOKEN, integration: {type: NATS}}}\n", "$connect: {authorizer: users}"), "authorizers.users.type"},
		"no cache":         {socketAPI("chat", "authorizers: {users: {type: REQUEST, authorizerResultTtlInSeconds: 300, integration: {type: NATS}}}\n", "$connect: {authorizer: users}"), "authorizerResultTtlInSeconds"},
	} {
		t.Run(row, func(t *testing.T) {
			if said := faultsOf(t, c.text); !strings.Contains(said, c.fault) {
				t.Errorf("validate says %q", said)
			}
		})
	}
}

// §4.1: changing an authorizer never affects connections that are open.
func TestContract101ChangedAuthorizer(t *testing.T) {
	t.Parallel()
	deny := func(effect string) lambdaFunction {
		return func(e map[string]any) (any, error) {
			arn, _ := e["methodArn"].(string)
			return policy(effect, arn), nil
		}
	}
	l := startLambdas(t, map[string]lambdaFunction{"allow": deny("Allow"), "deny": deny("Deny")})
	text := func(function string) string {
		return socketAPI("chat", "authorizers:\n  users: {type: REQUEST, integration: "+l.on(function)+"}\n", "$connect: {authorizer: users}", whoRoute)
	}
	g := startGateway(t, map[string]string{"chat.yaml": text("allow")}, nil)
	conn := mustDial(t, g, "/chat/dev")
	save(t, g.dir+"/chat.yaml", text("deny"))
	g.output.await(t, "the definitions were reloaded")
	if _, status := knock(t, g, "/chat/dev", nil); status != http.StatusForbidden {
		t.Errorf("a new client got %d", status)
	}
	conn.who()
	if got := len(l.of("allow")) + len(l.of("deny")); got != 2 {
		t.Errorf("authorizers were asked %d times for two handshakes", got)
	}
}

// §10.2, and the row about IAM of the table in §4.2.
func TestContract102IAM(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"connect": ok})
	files := map[string]string{}
	for _, name := range []string{"chat", "other"} {
		files[name+".yaml"] = socketAPI(name, "", "$connect: {authorizer: IAM, integration: "+l.on("connect")+"}", whoRoute,
			mockRoute("me", "$context.identity.accountId $context.identity.caller $context.identity.user $context.identity.userArn")) + "stages: {dev: {}}\n"
	}
	g := startGateway(t, files, asSigned)
	invoker := newKey(t, g, "chat", "execute-api:Invoke")
	manager := newKey(t, g, "chat", "execute-api:ManageConnections")
	empty := sha256.Sum256(nil)
	hash := hex.EncodeToString(empty[:])
	presigned := func(key aws.Credentials, service, path string) (string, []string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Data+path+"&X-Amz-Expires=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), key, r, hash, service, "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(signed, "http://"+g.Data), nil
	}
	headers := func(key aws.Credentials, path string) (string, []string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Data+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := v4.NewSigner().SignHTTP(t.Context(), key, r, hash, "execute-api", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		return path, []string{"Authorization: " + r.Header.Get("Authorization"), "X-Amz-Date: " + r.Header.Get("X-Amz-Date")}
	}
	const path = "/chat/dev?room=a"
	wrong := aws.Credentials{AccessKeyID: invoker.AccessKeyID, SecretAccessKey: "guessed"}
	for _, c := range []struct {
		row    string
		sign   func() (string, []string)
		status int
	}{
		{"presigned, as browsers do", func() (string, []string) { return presigned(invoker, "execute-api", path) }, 101},
		{"signed by headers", func() (string, []string) { return headers(invoker, path) }, 101},
		{"unsigned → 403", func() (string, []string) { return path, nil }, 403},
		{"bad signature → 403", func() (string, []string) { return presigned(wrong, "execute-api", path) }, 403},
		{"bad signature in headers → 403", func() (string, []string) { return headers(wrong, path) }, 403},
		{"changed after signing → 403", func() (string, []string) {
			signed, lines := presigned(invoker, "execute-api", path)
			return strings.Replace(signed, "room=a", "room=b", 1), lines
		}, 403},
		{"another service → 403", func() (string, []string) { return presigned(invoker, "s3", path) }, 403},
		{"denied: a key of another API → 403", func() (string, []string) { return presigned(invoker, "execute-api", "/other/dev?room=a") }, 403},
		{"denied: a key of another action → 403", func() (string, []string) { return headers(manager, path) }, 403},
	} {
		t.Run(c.row, func(t *testing.T) {
			target, lines := c.sign()
			response, body := exchange(t, g, upgrade(g, target, lines...)...)
			if response.StatusCode != c.status {
				t.Fatalf("%s %s", response.Status, body)
			}
			if c.status == 403 && (body != `{"message":"Forbidden"}` || response.Header.Get("X-Amzn-Errortype") != "ForbiddenException") {
				t.Errorf("the refusal is %s %s", response.Header.Get("X-Amzn-Errortype"), body)
			}
		})
	}
	t.Run("only $connect is evaluated: custom routes work, and identity names the caller", func(t *testing.T) {
		target, lines := presigned(invoker, "execute-api", path)
		conn := rawDial(t, g, target, lines...)
		id := conn.idOf()
		identity, _ := member(l.awaitOf(t, "connect", id, "CONNECT"), "requestContext", "identity").(map[string]any)
		want := map[string]any{
			"accountId": "000000000000", "accessKey": invoker.AccessKeyID, "caller": invoker.AccessKeyID, "user": invoker.AccessKeyID,
			"userArn": "arn:aws:iam::000000000000:user/" + invoker.AccessKeyID, "sourceIp": "127.0.0.1",
		}
		if diff := cmp.Diff(want, identity); diff != "" {
			t.Errorf("identity (-want +got):\n%s", diff)
		}
		conn.frame(1, true, []byte(`{"action":"me"}`)) // §8.2: templates see it too
		if got := conn.next(); got != strings.Join([]string{"000000000000", invoker.AccessKeyID, invoker.AccessKeyID, "arn:aws:iam::000000000000:user/" + invoker.AccessKeyID}, " ") {
			t.Errorf("a template makes of identity %q", got)
		}
	})
}

// §10.3: where an API key comes from, and its throttle. Missing and invalid ones are rows of TestContract42RefusalStatuses.
func TestContract103APIKeys(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"authorize": func(e map[string]any) (any, error) {
		arn, _ := e["methodArn"].(string)
		answer := policy("Allow", arn)
		if key := member(e, "queryStringParameters", "key"); key != nil {
			answer["usageIdentifierKey"] = key
		}
		return answer, nil
	}})
	const keys = "apiKeys: [{name: partner, value: secret-of-the-partner}, {name: slow, value: secret-of-the-slow, throttle: {rateLimit: 0.001, burstLimit: 1}}]\n"
	users := "authorizers:\n  users: {type: REQUEST, integration: " + l.on("authorize") + "}\n"
	g := startGateway(t, map[string]string{
		"header.yaml":     socketAPI("header", keys, "$connect: {apiKeyRequired: true}"),
		"authorizer.yaml": socketAPI("authorizer", "apiKeySelectionExpression: $context.authorizer.usageIdentifierKey\n"+keys+users, "$connect: {authorizer: users, apiKeyRequired: true}"),
		"unasked.yaml":    socketAPI("unasked", keys, "$connect: {}"),
	}, nil)
	for _, c := range []struct {
		row, path string
		lines     []string
		status    int
	}{
		{"the header x-api-key", "/header/dev", []string{"x-api-key: secret-of-the-partner"}, 101},
		{"the header in another case", "/header/dev", []string{"X-API-Key: secret-of-the-partner"}, 101},
		{"no key in the query", "/header/dev?x-api-key=secret-of-the-partner", nil, 403},
		{"the authorizer's usageIdentifierKey", "/authorizer/dev?key=secret-of-the-partner", nil, 101},
		{"the authorizer names an unknown key", "/authorizer/dev?key=wrong", nil, 403},
		{"the authorizer names none, and the header does not count", "/authorizer/dev", []string{"x-api-key: secret-of-the-partner"}, 403},
		{"no apiKeyRequired: nobody asks", "/unasked/dev", nil, 101},
		{"a key's throttle: the burst", "/header/dev", []string{"x-api-key: secret-of-the-slow"}, 101},
		{"a key's throttle", "/header/dev", []string{"x-api-key: secret-of-the-slow"}, 429},
	} {
		t.Run(c.row, func(t *testing.T) {
			if response, body := exchange(t, g, upgrade(g, c.path, c.lines...)...); response.StatusCode != c.status {
				t.Errorf("%s %s", response.Status, body)
			}
		})
	}
}
