package request

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

const (
	subject = "sallyport.chat.dev.auth.users"
	arn     = "arn:aws:execute-api:us-east-1:000000000000:chat/dev/$connect"
)

func connectEvent() *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventConnect, API: "chat", Stage: "dev", Route: gateway.RouteConnect,
		Subject: "sallyport.chat.dev.ws.$connect", Connection: "AbCdEfGhIjKlMnO=", Request: "RbCdEfGhIjKlMnO=",
		Context: []byte(`{"apiId":"chat","stage":"dev","domainName":"localhost","connectionId":"AbCdEfGhIjKlMnO=",` +
			`"connectedAt":1708326702789,"identity":{"sourceIp":"192.0.2.1"},"routeKey":"$connect","eventType":"CONNECT",` +
			`"requestId":"RbCdEfGhIjKlMnO=","queryStringParameters":{"token":"t"}}`),
		Header: gateway.Header{"Host": {"localhost"}, "Upgrade": {"websocket"}},
	}
}

func authorizer(t *testing.T, invoker gateway.Invoker) *Authorizer {
	t.Helper()
	a, err := New(Config{Invoker: invoker, API: "chat", Stage: "dev", Name: "users", Subject: subject, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func answering(status int, body string) gateway.Invoker {
	return gateway.InvokerFunc(func(context.Context, *gateway.Event) (*gateway.Reply, error) {
		return &gateway.Reply{Status: status, Body: []byte(body)}, nil
	})
}

func failing(err error) gateway.Invoker {
	return gateway.InvokerFunc(func(context.Context, *gateway.Event) (*gateway.Reply, error) { return nil, err })
}

// output is an answer whose policy has one statement.
func output(effect, resource, rest string) string {
	return `{"principalId":"me","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"` +
		effect + `","Resource":"` + resource + `"}]}` + rest + `}`
}

// TestOutcomes has the rows of contract/websocket-api.md §10.1 and §4.2.
func TestOutcomes(t *testing.T) {
	ok := output("Allow", arn, "")
	for name, test := range map[string]struct {
		invoker gateway.Invoker
		code    gateway.Code
		context string
		key     string
	}{
		"allowed":                   {answering(200, ok), "", `{"principalId":"me"}`, ""},
		"the stage is allowed":      {answering(200, output("Allow", strings.TrimSuffix(arn, "$connect")+"*", "")), "", `{"principalId":"me"}`, ""},
		"REST's form of a resource": {answering(200, output("Allow", strings.TrimSuffix(arn, "$connect")+"*/*", "")), gateway.CodeForbidden, "", ""},
		"denied":                    {answering(200, output("Deny", "*", "")), gateway.CodeForbidden, "", ""},
		"another stage allowed":     {answering(200, output("Allow", strings.Replace(arn, "dev", "prod", 1), "")), gateway.CodeForbidden, "", ""},
		"a flat context": {answering(200, output("Allow", "*", `,"context":{"s":"x\n","n":1.50,"b":true,"z":null,"principalId":"you"}`)), "",
			`{"principalId":"me","b":true,"n":1.50,"s":"x\n"}`, ""},
		"a usage key":            {answering(200, output("Allow", "*", `,"usageIdentifierKey":"k-1"`)), "", `{"principalId":"me"}`, "k-1"},
		"a number as principal":  {answering(200, strings.Replace(ok, `"me"`, "7", 1)), "", `{"principalId":7}`, ""},
		"any 2xx":                {answering(204, ok), "", `{"principalId":"me"}`, ""},
		"an object in context":   {answering(200, output("Allow", "*", `,"context":{"o":{}}`)), gateway.CodeInternal, "", ""},
		"a list in context":      {answering(200, output("Allow", "*", `,"context":{"o":[]}`)), gateway.CodeInternal, "", ""},
		"a context of text":      {answering(200, output("Allow", "*", `,"context":"x"`)), gateway.CodeInternal, "", ""},
		"no principal":           {answering(200, strings.Replace(ok, `"principalId":"me",`, "", 1)), gateway.CodeInternal, "", ""},
		"an empty principal":     {answering(200, strings.Replace(ok, `"me"`, `""`, 1)), gateway.CodeInternal, "", ""},
		"an object as principal": {answering(200, strings.Replace(ok, `"me"`, `{}`, 1)), gateway.CodeInternal, "", ""},
		"no policy":              {answering(200, `{"principalId":"me"}`), gateway.CodeInternal, "", ""},
		"a null policy":          {answering(200, `{"principalId":"me","policyDocument":null}`), gateway.CodeInternal, "", ""},
		"an unreadable policy":   {answering(200, `{"principalId":"me","policyDocument":{"Statement":[]}}`), gateway.CodeInternal, "", ""},
		"a condition":            {answering(200, strings.Replace(ok, `"Effect"`, `"Condition":{},"Effect"`, 1)), gateway.CodeInternal, "", ""},
		"a simple response":      {answering(200, `{"isAuthorized":true}`), gateway.CodeInternal, "", ""},
		"nothing":                {answering(200, ""), gateway.CodeInternal, "", ""},
		"null":                   {answering(200, "null"), gateway.CodeInternal, "", ""},
		"no JSON":                {answering(200, "yes"), gateway.CodeInternal, "", ""},
		"no text":                {answering(200, output("Allow", "*", `,"context":{"x":"`+"\xff"+`"}`)), gateway.CodeInternal, "", ""},
		"8 KB":                   {answering(200, ok+strings.Repeat(" ", gateway.MaxAuthorizerAnswer-len(ok))), "", `{"principalId":"me"}`, ""},
		"over 8 KB":              {answering(200, ok+strings.Repeat(" ", gateway.MaxAuthorizerAnswer-len(ok)+1)), gateway.CodeInternal, "", ""},
		"Unauthorized as result": {answering(200, `{"errorMessage":"Unauthorized","errorType":"Error"}`), gateway.CodeUnauthorized, "", ""},
		"another error as result": {answering(200, `{"errorMessage":"Unauthorized user"}`),
			gateway.CodeInternal, "", ""},
		"status 401":   {answering(401, ok), gateway.CodeUnauthorized, "", ""},
		"status 403":   {answering(403, ok), gateway.CodeForbidden, "", ""},
		"status 302":   {answering(302, ok), gateway.CodeInternal, "", ""},
		"status 500":   {answering(500, ok), gateway.CodeInternal, "", ""},
		"unauthorized": {failing(gateway.Errorf(gateway.CodeUnauthorized, "x")), gateway.CodeUnauthorized, "", ""},
		"forbidden":    {failing(gateway.Errorf(gateway.CodeForbidden, "x")), gateway.CodeForbidden, "", ""},
		"timeout":      {failing(gateway.Errorf(gateway.CodeTimeout, "x")), gateway.CodeInternal, "", ""},
		"nobody there": {failing(gateway.Errorf(gateway.CodeUnavailable, "x")), gateway.CodeInternal, "", ""},
		"a crash":      {failing(gateway.Errorf(gateway.CodeIntegration, "x")), gateway.CodeInternal, "", ""},
		"a bad code":   {failing(gateway.Errorf(gateway.CodeBadRequest, "x")), gateway.CodeInternal, "", ""},
		"some error":   {failing(errors.New("x")), gateway.CodeInternal, "", ""},
	} {
		got, err := authorizer(t, test.invoker).Authorize(t.Context(), &gateway.AuthorizationRequest{Event: connectEvent()})
		if code := gateway.ErrorCode(err); code != test.code || (err == nil) != (got != nil) {
			t.Errorf("%s: %v, %v; want code %q", name, got, err, test.code)
			continue
		}
		if err != nil {
			var public *gateway.Error
			if errors.As(err, &public); public.Cause == nil || strings.Contains(public.Message, "users") {
				t.Errorf("%s: message %q, cause %v", name, public.Message, public.Cause)
			}
			continue
		}
		if string(got.Context) != test.context || got.UsageKey != test.key {
			t.Errorf("%s: context %s, key %q; want %s, %q", name, got.Context, got.UsageKey, test.context, test.key)
		}
	}
}

// TestEvent: the authorizer gets its own event, bounded in time, and the waiting one is left alone.
func TestEvent(t *testing.T) {
	var sent *gateway.Event
	var bounded bool
	a := authorizer(t, gateway.InvokerFunc(func(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
		_, bounded = ctx.Deadline()
		sent = ev
		return &gateway.Reply{Status: 200, Body: []byte(output("Allow", "*", ""))}, nil
	}))
	waiting := connectEvent()
	if _, err := a.Authorize(t.Context(), &gateway.AuthorizationRequest{Event: waiting}); err != nil {
		t.Fatal(err)
	}
	if !bounded || sent.Timeout != time.Minute || sent.Subject != subject || sent.Expect != gateway.ExpectReply {
		t.Errorf("sent %+v, bounded %v", sent, bounded)
	}
	if sent.Connection != waiting.Connection || sent.Request != waiting.Request || sent.Header != nil {
		t.Errorf("sent %+v", sent)
	}
	var payload struct {
		Type, MethodARN       string
		QueryStringParameters map[string]string
	}
	if err := json.Unmarshal(sent.Body, &payload); err != nil {
		t.Fatal(err)
	}
	if payload.Type != "REQUEST" || payload.MethodARN != arn || payload.QueryStringParameters["token"] != "t" {
		t.Errorf("payload %s", sent.Body)
	}
	if waiting.Body != nil || waiting.Subject != "sallyport.chat.dev.ws.$connect" {
		t.Errorf("the waiting event became %+v", waiting)
	}
	broken := connectEvent()
	broken.Context = []byte("[]")
	if _, err := a.Authorize(t.Context(), &gateway.AuthorizationRequest{Event: broken}); gateway.ErrorCode(err) != gateway.CodeInternal {
		t.Errorf("a malformed context: %v", err)
	}
}

// TestReport: the access log hears what the authorizer answered and what came of its policy.
func TestReport(t *testing.T) {
	for name, test := range map[string]struct {
		invoker        gateway.Invoker
		status         int
		judged, denied bool
	}{
		"allowed":     {answering(200, output("Allow", "*", "")), 200, true, false},
		"denied":      {answering(200, output("Deny", "*", "")), 200, true, true},
		"status 403":  {answering(403, ""), 403, false, false},
		"no JSON":     {answering(200, "yes"), 200, false, false},
		"no answer":   {failing(gateway.Errorf(gateway.CodeTimeout, "x")), 0, false, false},
		"bad context": {answering(200, output("Allow", "*", `,"context":{"o":{}}`)), 200, false, false},
	} {
		q := gateway.AuthorizationRequest{Event: connectEvent()}
		_, _ = authorizer(t, test.invoker).Authorize(t.Context(), &q) // TestOutcomes has the results
		r := q.Report
		if !r.Asked || r.Status != test.status || r.Authorize.Taken != test.judged || (r.Authorize.Err != nil) != test.denied || r.Authenticate.Taken {
			t.Errorf("%s: the report is %+v", name, r)
		}
	}
	q := gateway.AuthorizationRequest{Event: connectEvent()}
	_, err := authorizer(t, gateway.InvokerFunc(func(context.Context, *gateway.Event) (*gateway.Reply, error) {
		return &gateway.Reply{Status: 200, Header: gateway.Header{"x-amzn-requestid": {"q-1"}}, Body: []byte(output("Allow", "*", ""))}, nil
	})).Authorize(t.Context(), &q)
	if err != nil || q.Report.BackendRequest != "q-1" {
		t.Errorf("the report is %+v, %v", q.Report, err)
	}
}

func TestNewRefuses(t *testing.T) {
	whole := Config{Invoker: answering(200, ""), API: "a", Stage: "s", Name: "n", Subject: "x", Timeout: time.Second}
	for name, break_ := range map[string]func(*Config){
		"invoker": func(c *Config) { c.Invoker = nil }, "API": func(c *Config) { c.API = "" }, "stage": func(c *Config) { c.Stage = "" },
		"name": func(c *Config) { c.Name = "" }, "subject": func(c *Config) { c.Subject = "" }, "timeout": func(c *Config) { c.Timeout = 0 },
	} {
		c := whole
		break_(&c)
		if _, err := New(c); err == nil {
			t.Errorf("New takes a Config without %s", name)
		}
	}
}

// FuzzParseAnswer: no answer makes it panic, and what comes out is one flat JSON object with a principal.
func FuzzParseAnswer(f *testing.F) {
	for _, s := range []string{output("Allow", "*", ""), output("Deny", "*", `,"context":{"a":1,"b":"x","c":null}`), `{"errorMessage":"Unauthorized"}`,
		`null`, `{"principalId":[]}`, output("Allow", "*", `,"context":{"":"","principalId":1}`), output("Allow", "*", `,"usageIdentifierKey":7`)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := parseAnswer(payload)
		if err != nil {
			return
		}
		var members map[string]any
		if err := json.Unmarshal(got.context, &members); err != nil {
			t.Fatalf("%s: %v", got.context, err)
		}
		if members[memberPrincipal] == nil {
			t.Fatalf("%s has no principal", got.context)
		}
		for name, value := range members {
			switch value.(type) {
			case string, float64, bool:
			default:
				t.Fatalf("member %q of %s is not flat", name, got.context)
			}
		}
	})
}
