package httpproxy_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/httpproxy"
	"github.com/sallyport/sallyport/integrations/integrationstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	integrationstest.Run(t, integrationstest.Kit{
		Open: func(t *testing.T) (gateway.Invoker, integrationstest.Backend) {
			transport := backend.NewTransport()
			server := integrationstest.NewHTTPBackend(t, integrationstest.HTTPAnswers{
				Success:     func(body []byte) string { return "re: " + string(body) },
				Flood:       func() string { return strings.Repeat("x", integrationstest.MaxReplyBytes+1) },
				ContentType: "text/plain",
			}, transport)
			client := backend.New(backend.Config{Transport: transport})
			kind, err := httpproxy.New(httpproxy.Config{Client: client})
			if err != nil {
				t.Fatal(err)
			}
			invoker, err := kind.Open(&gateway.Integration{
				Type: gateway.IntegrationHTTPProxy, URI: server.URL + "/messages",
			}, integrations.Route{
				API: "chat", Stage: "dev", Key: "send", Protocol: gateway.ProtocolWebSocket,
				Timeout: time.Minute, TwoWay: true, MaxReplyBytes: integrationstest.MaxReplyBytes,
			})
			if err != nil {
				t.Fatal(err)
			}
			return invoker, server
		},
		Event:  func(body string) *gateway.Event { return message(body) },
		Answer: func(body string) string { return "re: " + body },
	})
}

func message(body string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "send",
		Subject: "sallyport.chat.dev.ws.send", Connection: "AbCdEfGhIjKlMnO=", Request: "RbCdEfGhIjKlMnO=",
		Context: []byte(`{"apiId":"chat","stage":"dev","domainName":"localhost","connectionId":"AbCdEfGhIjKlMnO=",` +
			`"identity":{"sourceIp":"192.0.2.1"},"routeKey":"send","eventType":"MESSAGE"}`),
		Body: []byte(body),
	}
}
