package proxy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

var update = flag.Bool("update", false, "rewrite the golden samples")

const (
	connectionID gateway.ConnectionID = "TXzPWdnOjoECGjA="
	requestID    gateway.RequestID    = "TXzPWFkkjoEF92g="
)

func connectionEvent(kind gateway.EventKind, route event.RouteInfo, m event.MessageInfo) *gateway.Event {
	c := &gateway.Connection{
		ID: connectionID, API: "chat", Stage: "prod", ConnectedAt: time.UnixMilli(1708326702789), DomainName: "chat.localhost",
		SourceIP: "192.0.2.1", Authorizer: json.RawMessage(`{"principalId":"user","key":"value"}`),
	}
	if kind == gateway.EventConnect {
		c.UserAgent = "Mozilla/5.0 <html>"
	}
	m.Kind, m.Request, m.Time = kind, requestID, time.UnixMilli(1708326702790)
	return &gateway.Event{
		Kind: kind, API: c.API, Stage: c.Stage, Route: route.RouteKey, Connection: c.ID, Request: m.Request,
		Context: event.AppendMessage(event.AppendRoute(event.AppendConnection(nil, c), route), m),
	}
}

func connectEvent() *gateway.Event {
	ev := connectionEvent(gateway.EventConnect, event.RouteInfo{RouteKey: gateway.RouteConnect, Deployment: "d-1",
		StageVariables: map[string]string{"env": "prod"}}, event.MessageInfo{Query: &event.QueryInfo{Raw: "room=a&room=b%20c"}})
	ev.Header = gateway.Header{
		"Host": {"chat.localhost:8080"}, "X-Custom": {"one"}, "x-custom": {"two"}, "sec-websocket-key": {"DM+9PqsQ=="},
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Cookie": {"sid=1"}, "X-Forwarded-For": {"198.51.100.1"},
	}
	return ev
}

func requestEvent(route gateway.RouteKey, path, query string, params map[string]string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventRequest, API: "shop", Stage: "dev", Route: route, Request: requestID,
		Context: event.AppendRequest(nil, event.RequestInfo{
			API: "shop", Stage: "dev", Route: event.AppendRoute(nil, event.RouteInfo{RouteKey: route, Deployment: "d-1"}),
			Request: requestID, Time: time.UnixMilli(1783711145123), DomainName: "shop.localhost", Method: "POST", Path: path,
			RawQueryString: query, PathParameters: params, SourceIP: "203.0.113.7", UserAgent: "curl/8.5.0", Protocol: "HTTP/1.0",
		}),
	}
}

func orderEvent() *gateway.Event {
	ev := requestEvent("POST /orders/{id}", "/dev/orders/4%202", "tag=a&tag=b&q=x%20y+z&flag", map[string]string{"id": "4 2"})
	ev.Header = gateway.Header{
		"Host": {"shop.localhost:8080"}, "content-type": {"application/json; charset=UTF-8"}, "accept": {"*/*"},
		"X-Custom": {"one", "two"}, "Cookie": {"sid=abc; theme=dark", "c=3"}, "X-Forwarded-Proto": {"https"}, "x-forwarded-port": {"443"},
	}
	ev.Body = []byte(`{"a":"<hello>"}`)
	return ev
}

func bareEvent() *gateway.Event { return requestEvent(gateway.RouteDefault, "/dev/a%2Fb", "", nil) }

func TestGoldenSamples(t *testing.T) {
	message := connectionEvent(gateway.EventMessage, event.RouteInfo{RouteKey: "sendmessage", Deployment: "d-1"},
		event.MessageInfo{MessageID: "Ti89OAAt3vcAAAQ="})
	message.Body = []byte(`{"action":"sendmessage"}`)
	binary := connectionEvent(gateway.EventMessage, event.RouteInfo{RouteKey: gateway.RouteDefault, Deployment: "d-1"},
		event.MessageInfo{MessageID: "Ti89OAAt3vcAAAQ="})
	binary.Body, binary.Binary = []byte{0, 1, 0xff}, true
	disconnect := connectionEvent(gateway.EventDisconnect, event.RouteInfo{RouteKey: gateway.RouteDisconnect, Deployment: "d-1"},
		event.MessageInfo{Disconnect: &gateway.Close{Code: 1001}})
	for _, test := range []struct {
		name    string
		ev      *gateway.Event
		version string
	}{
		{"connect.json", connectEvent(), ""},
		{"message.json", message, Version1},
		{"message_binary.json", binary, ""},
		{"disconnect.json", disconnect, Version2},
		{"request_1.json", orderEvent(), Version1},
		{"request_2.json", orderEvent(), Version2},
		{"request_1_bare.json", bareEvent(), Version1},
		{"request_2_bare.json", bareEvent(), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			compact, err := Event(test.ev, test.version)
			if err != nil {
				t.Fatal(err)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, compact, "", "  "); err != nil {
				t.Fatal(err)
			}
			indented.WriteByte('\n')
			path := filepath.Join("testdata", test.name)
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

func TestEventErrors(t *testing.T) {
	if _, err := Event(bareEvent(), "3.0"); gateway.ErrorCode(err) != gateway.CodeInternal {
		t.Errorf("unknown version: %v", err)
	}
	for _, ev := range []*gateway.Event{{Kind: gateway.EventRequest}, {Kind: gateway.EventMessage, Context: []byte("[]")}} {
		for _, version := range []string{Version1, Version2} {
			if _, err := Event(ev, version); gateway.ErrorCode(err) != gateway.CodeInternal {
				t.Errorf("malformed context %q: %v", ev.Context, err)
			}
		}
	}
}

// TestBodyEncoding is the list of contract/http-api.md §6.4.
func TestBodyEncoding(t *testing.T) {
	for _, test := range []struct {
		contentType, body string
		base64            bool
	}{
		{"application/json", "{}", false},
		{"Application/JSON;charset=utf-8", "{}", false},
		{"text/plain; charset=\"UTF-8\"", "x", false},
		{"text/csv", "x", false},
		{"application/graphql", "x", false},
		{"text/plain; charset=iso-8859-1", "x", true},
		{"text/plain", "\xff", true},
		{"text/css", "x", true},
		{"application/vnd.api+json", "{}", true},
		{"application/x-www-form-urlencoded", "a=b", true},
		{"", "x", true},
		{"nonsense;;", "x", true},
		{"image/png", "", false},
	} {
		ev := &gateway.Event{Body: []byte(test.body), Header: gateway.Header{"content-TYPE": {test.contentType}}}
		if _, got := requestBody(ev); got != test.base64 {
			t.Errorf("%q with %q: base64 %v, want %v", test.contentType, test.body, got, test.base64)
		}
	}
}

// TestDecodedPath has the cases of contract/http-api.md §3.16 and §3.17.
func TestDecodedPath(t *testing.T) {
	for in, want := range map[string]string{
		"/a":                      "/a",
		"/capture/space%20value":  "/capture/space value",
		"/%C3%BC":                 "/ü",
		"/a%2Fb":                  "/a%2Fb",
		"/a%3Fb":                  "/a",
		"/%zz":                    "/%zz",
		"/capture/plus+stays%2Bx": "/capture/plus+stays%2Bx",
	} {
		if got := decodedPath(in); got != want {
			t.Errorf("decodedPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPortOf(t *testing.T) {
	for in, want := range map[string]string{
		"a": "80", "a:8080": "8080", "[::1]": "80", "[::1]:81": "81", "a:": "80", "a:x": "80", "a:70000": "80", "": "80",
	} {
		if got := portOf(in, "http"); got != want {
			t.Errorf("portOf(%q) = %q, want %q", in, got, want)
		}
		if want == "80" {
			want = "443"
		}
		if got := portOf(in, "https"); got != want {
			t.Errorf("portOf(%q) with TLS = %q, want %q", in, got, want)
		}
	}
}

func TestEventLeavesItsInputAlone(t *testing.T) {
	ev := connectEvent()
	ev.Header["X-Custom"] = append(make([]string, 0, 4), "one") // room for a careless append
	before := connectEvent().Header
	if _, err := encodeWebSocket(ev); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, ev.Header); diff != "" {
		t.Error(diff)
	}
	if extra := ev.Header["X-Custom"][:2]; extra[1] != "" {
		t.Errorf("wrote %q behind the event's own values", extra[1])
	}
}
