package edge

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// TestProxyEventOverNATS: an integration with a payloadFormatVersion gets Amazon's event and answers with its result.
func TestProxyEventOverNATS(t *testing.T) {
	for path, version := range map[string]string{"/one": "1.0", "/two": "2.0"} {
		backend := &scripted{reply: &gateway.Reply{Body: []byte(`{"statusCode":201,"headers":{"x-a":"1"},"body":"made"}`)}}
		r := httptest.NewRequest("POST", "http://shop.localhost/dev"+path, strings.NewReader(`{"a":1}`))
		r.Header.Set("Content-Type", "application/json")
		res, body, record := do(t, backend, r)
		if res.StatusCode != 201 || body != "made" || res.Header.Get("X-A") != "1" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %q %v", path, res.StatusCode, body, res.Header)
		}
		if record.BytesIn != len(`{"a":1}`) {
			t.Errorf("%s: record %+v", path, record)
		}
		ev := backend.one(t)
		var sent struct {
			Version string `json:"version"`
			Body    string `json:"body"`
		}
		if err := json.Unmarshal(ev.Body, &sent); err != nil || sent.Version != version || sent.Body != `{"a":1}` {
			t.Errorf("%s: sent %s (%v)", path, ev.Body, err)
		}
		if len(ev.Header) != 0 || len(ev.Context) == 0 {
			t.Errorf("%s: header %v, context %s", path, ev.Header, ev.Context)
		}
	}
}

func TestMalformedProxyResult(t *testing.T) {
	backend := &scripted{reply: &gateway.Reply{Body: []byte(`{"statusCode":"x"}`)}}
	res, body, record := do(t, backend, httptest.NewRequest("POST", "http://shop.localhost/dev/two", nil))
	if res.StatusCode != 500 || body != `{"message":"Internal Server Error"}` || record.Code != gateway.CodeIntegration {
		t.Errorf("%d %s %+v", res.StatusCode, body, record)
	}
}

func TestEncodeForRouteLeavesTheEventAlone(t *testing.T) {
	program := compileAPI(t, &gateway.API{APIID: "p", Name: "p", Protocol: gateway.ProtocolWebSocket, RouteSelectionExpression: "$request.body.action"},
		"dev", map[gateway.RouteKey]*gateway.Integration{
			"plain":  nil,
			"proxy":  {Type: gateway.IntegrationNATS, PayloadFormatVersion: "1.0"},
			"worker": {Type: gateway.IntegrationNATS, PayloadFormatVersion: "1.0", Subject: "orders"},
		})
	for key, changed := range map[gateway.RouteKey]bool{"plain": false, "proxy": true, "worker": false} {
		route := program.Route(key)
		ev := &gateway.Event{Kind: gateway.EventMessage, Context: []byte(`{}`), Body: []byte("hi"), Binary: true}
		sent, err := encodeForRoute(route, ev)
		if err != nil {
			t.Fatal(err)
		}
		if (sent != ev) != changed || string(ev.Body) != "hi" || !ev.Binary || changed && sent.Binary {
			t.Errorf("%s: %+v", key, sent)
		}
		reply, err := decodeForRoute(route, ev, &gateway.Reply{Body: []byte(`{"statusCode":200,"body":"x"}`)})
		if err != nil || (string(reply.Body) == "x") != changed {
			t.Errorf("%s: %+v %v", key, reply, err)
		}
	}
	broken := &gateway.Event{Kind: gateway.EventMessage, Context: []byte(`[`)}
	if _, err := encodeForRoute(program.Route("proxy"), broken); gateway.ErrorCode(err) != gateway.CodeInternal {
		t.Errorf("a broken context gave %v", err)
	}
}
