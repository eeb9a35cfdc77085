package httpcustom_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations/integrationstest"
)

var traceID = regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`)

// TestEvents: what HTTP sends and answers at each moment of a connection. Nothing of the client goes on unasked
// (contract/websocket-api.md §7.4, contract/rest-api.md §8.2), and only two-way events have a result (§7.7).
func TestEvents(t *testing.T) {
	defaults := func(more ...string) http.Header {
		h := http.Header{"Accept": {"application/json"}, "User-Agent": {"AmazonAPIGateway_chat"}, "X-Amzn-Apigateway-Api-Id": {"chat"}}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = []string{more[i+1]}
		}
		return h
	}
	disconnect := message("never sent")
	disconnect.Kind, disconnect.Body = gateway.EventDisconnect, nil
	subprotocol := `#set($context.responseOverride.header['Sec-WebSocket-Protocol'] = 'v2')welcome`
	tests := map[string]struct {
		in     gateway.Integration
		ev     *gateway.Event
		oneWay bool
		body   string
		header http.Header
		want   *gateway.Reply
	}{
		"$connect": {
			in: gateway.Integration{}, ev: handshake(), header: defaults("Content-Length", "0"),
			want: &gateway.Reply{Status: 403, Body: []byte("who?"), Header: gateway.Header{"Content-Type": {"text/x"}}},
		},
		"$connect that a response accepts": {
			in: gateway.Integration{Responses: map[string]*gateway.IntegrationResponse{"403": {StatusCode: 200}}}, ev: handshake(), header: defaults("Content-Length", "0"),
			want: &gateway.Reply{Status: 200, Body: []byte("who?"), Header: gateway.Header{"Content-Type": {"text/x"}}},
		},
		"$connect with templates": {
			in: gateway.Integration{
				RequestTemplates: map[string]string{"$default": "$input.params('Origin') $input.params('q')"},
				Responses:        map[string]*gateway.IntegrationResponse{"default": {StatusCode: 200, ResponseTemplates: map[string]string{"text/y": subprotocol}}},
			},
			ev: handshake(), body: "http://page b c", header: defaults("Content-Length", "15", "Content-Type", "application/json"),
			want: &gateway.Reply{Status: 200, Body: []byte("welcome"), Header: gateway.Header{"Content-Type": {"text/y"}, "Sec-WebSocket-Protocol": {"v2"}}},
		},
		"$disconnect": {
			in: gateway.Integration{HTTPMethod: "DELETE"}, ev: disconnect, oneWay: true, header: defaults(), want: &gateway.Reply{Status: 403},
		},
		"message": {
			in: gateway.Integration{}, ev: message("hi"), body: "hi", header: defaults("Content-Length", "2", "Content-Type", "application/json"),
			want: &gateway.Reply{Status: 403, Body: []byte("who?")},
		},
		"one-way message": {
			in: gateway.Integration{HTTPMethod: "PUT", Responses: map[string]*gateway.IntegrationResponse{"403": {StatusCode: 201, ResponseTemplates: map[string]string{"$default": "#set($l = [])$l[3]"}}}},
			ev: message("hi"), oneWay: true, body: "hi", header: defaults("Content-Length", "2", "Content-Type", "application/json"), want: &gateway.Reply{Status: 201},
		},
		"mapped headers": {
			in: gateway.Integration{RequestParameters: map[string]string{
				"integration.request.header.connectionId": "context.connectionId", "integration.request.header.content-type": "'text/z'",
				"integration.request.header.user-agent": "'me'", "integration.request.header.accept": "'*/*'",
			}},
			ev: message("hi"), body: "hi",
			header: http.Header{"Accept": {"*/*"}, "User-Agent": {"me"}, "Content-Type": {"text/z"}, "Connectionid": {"C1="}, "Content-Length": {"2"}, "X-Amzn-Apigateway-Api-Id": {"chat"}},
			want:   &gateway.Reply{Status: 403, Body: []byte("who?")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			url, last := recorded(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/x")
				w.Header().Set("Set-Cookie", "stays=here")
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "who?")
			})
			kind := kinds(t)["HTTP"]
			test.in.Type, test.in.URI = gateway.IntegrationHTTP, url
			if test.in.Responses == nil {
				test.in.Responses = map[string]*gateway.IntegrationResponse{"default": {}}
			}
			reply, err := opened(t, kind, &test.in, !test.oneWay).Invoke(t.Context(), test.ev)
			if diff := cmp.Diff(test.want, reply); err != nil || diff != "" {
				t.Errorf("%v, reply (-want +got):\n%s", err, diff)
			}
			method := test.in.HTTPMethod
			if method == "" {
				method = http.MethodPost
			}
			if last.method != method || last.body != test.body {
				t.Errorf("%s %q, want %s %q", last.method, last.body, method, test.body)
			}
			if id := last.header.Get("X-Amzn-Trace-Id"); !traceID.MatchString(id) {
				t.Errorf("X-Amzn-Trace-Id %q", id)
			}
			last.header.Del("X-Amzn-Trace-Id")
			if diff := cmp.Diff(test.header, last.header); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOneWayIgnoresLength: nobody reads the answer to a one-way message, so it may be of any length, while a status that
// no response takes is still an error.
func TestOneWayIgnoresLength(t *testing.T) {
	url, _ := recorded(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", integrationstest.MaxReplyBytes+1))
	})
	for key, code := range map[string]gateway.Code{"default": "", "404": gateway.CodeIntegration} {
		in := gateway.Integration{Type: gateway.IntegrationHTTP, URI: url, Responses: map[string]*gateway.IntegrationResponse{key: {}}}
		if _, err := opened(t, kinds(t)["HTTP"], &in, false).Invoke(t.Context(), message("x")); gateway.ErrorCode(err) != code {
			t.Errorf("%s: error %v, want %q", key, err, code)
		}
	}
}
