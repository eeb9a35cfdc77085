package mock_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

// TestChoosing: what the other non-proxy kinds do with messages that no template takes, and with base64, holds here too
// (contract/websocket-api.md §7.8, §8.2).
func TestChoosing(t *testing.T) {
	picked := func(change func(*gateway.Integration)) *gateway.Integration {
		in := &gateway.Integration{
			Type: "MOCK", TemplateSelectionExpression: "$request.body.type",
			RequestTemplates: map[string]string{"a": `{"statusCode": 200}`, "b": `{"statusCode": 404}`},
			Responses: map[string]*gateway.IntegrationResponse{
				"404":     {StatusCode: 410, TemplateSelectionExpression: "${integration.response.statuscode}-$request.body.type", ResponseTemplates: map[string]string{"404-b": "gone"}},
				"default": text("application/json", "found"),
			},
		}
		if change != nil {
			change(in)
		}
		return in
	}
	tests := map[string]struct {
		in   *gateway.Integration
		body string
		want gateway.Reply
		code gateway.Code
	}{
		"one key":             {picked(nil), `{"type":"a"}`, gateway.Reply{Status: 200, Body: []byte("found")}, ""},
		"another":             {picked(nil), `{"type":"b"}`, gateway.Reply{Status: 410, Body: []byte("gone")}, ""},
		"the message itself":  {picked(nil), `{"type":"c","statusCode":404}`, gateway.Reply{Status: 410}, ""},
		"no status code":      {picked(nil), `{"type":"c"}`, gateway.Reply{}, gateway.CodeIntegration},
		"never":               {picked(func(in *gateway.Integration) { in.PassthroughBehavior = gateway.PassthroughNever }), `{"type":"c","statusCode":200}`, gateway.Reply{}, gateway.CodeUnsupportedMedia},
		"there are templates": {picked(func(in *gateway.Integration) { in.PassthroughBehavior = gateway.PassthroughNoTemplates }), `{"type":"c","statusCode":200}`, gateway.Reply{}, gateway.CodeUnsupportedMedia},
		"to binary": {picked(func(in *gateway.Integration) {
			in.ContentHandling, in.TemplateSelectionExpression = gateway.ConvertToBinary, ""
			in.RequestTemplates = map[string]string{"$default": `$input.body`}
		}), `eyJzdGF0dXNDb2RlIjogMjAwfQ==`, gateway.Reply{Status: 200, Body: []byte("found")}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := open(t, test.in).Invoke(t.Context(), &gateway.Event{Kind: gateway.EventMessage, Body: []byte(test.body)})
			if test.code != "" {
				if gateway.ErrorCode(err) != test.code {
					t.Errorf("reply %v, error %v, want %s", got, err, test.code)
				}
				return
			}
			if diff := cmp.Diff(&test.want, got); err != nil || diff != "" {
				t.Errorf("%v, reply (-want +got):\n%s", err, diff)
			}
		})
	}
}
