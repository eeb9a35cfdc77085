package proxy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

func TestAuthorizerGoldenSamples(t *testing.T) {
	bare := connectionEvent(gateway.EventConnect, event.RouteInfo{RouteKey: gateway.RouteConnect, Deployment: "d-1"}, event.MessageInfo{})
	bare.Header = gateway.Header{"Host": {"chat.localhost"}}
	for name, ev := range map[string]*gateway.Event{"authorizer.json": connectEvent(), "authorizer_bare.json": bare} {
		t.Run(name, func(t *testing.T) {
			compact, err := AuthorizerEvent(ev, gateway.InvokeARN(ev.API, ev.Stage, string(gateway.RouteConnect)))
			if err != nil {
				t.Fatal(err)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, compact, "", "  "); err != nil {
				t.Fatal(err)
			}
			indented.WriteByte('\n')
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, indented.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), indented.String()); diff != "" {
				t.Errorf("golden differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAuthorizerEventMembers is the list of contract/websocket-api.md §10.1: what must be there, and what must not.
func TestAuthorizerEventMembers(t *testing.T) {
	raw, err := AuthorizerEvent(connectEvent(), "arn:x")
	if err != nil {
		t.Fatal(err)
	}
	var ev map[string]json.RawMessage
	if err := json.Unmarshal(raw, &ev); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"type", "methodArn", "headers", "multiValueHeaders", "queryStringParameters",
		"multiValueQueryStringParameters", "stageVariables", "requestContext"} {
		if len(ev[name]) == 0 {
			t.Errorf("%s is missing", name)
		}
	}
	for _, name := range []string{"path", "httpMethod", "pathParameters", "body", "isBase64Encoded", "authorizationToken"} {
		if _, there := ev[name]; there {
			t.Errorf("%s must not be there", name)
		}
	}
	var headers map[string]string
	if err := json.Unmarshal(ev["headers"], &headers); err != nil {
		t.Fatal(err)
	}
	if headers["Connection"] != "Upgrade" || headers["Upgrade"] != "websocket" || headers["content-length"] != "0" {
		t.Errorf("headers %v", headers)
	}
	var context map[string]any
	if err := json.Unmarshal(ev["requestContext"], &context); err != nil {
		t.Fatal(err)
	}
	if _, there := context["authorizer"]; there || context["eventType"] != "CONNECT" || context["routeKey"] != "$connect" {
		t.Errorf("requestContext %v", context)
	}
	if _, err := AuthorizerEvent(&gateway.Event{Context: []byte("[]")}, "arn:x"); gateway.ErrorCode(err) != gateway.CodeInternal {
		t.Errorf("malformed context: %v", err)
	}
}
