package amazon

import (
	"testing"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
)

func signer(t testing.TB) (*call, *gateway.Event) {
	client := backend.New(backend.Config{})
	t.Cleanup(client.Close)
	kind, err := New(Config{Client: client, Credentials: Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	invoker, err := kind.Open(&gateway.Integration{
		Type: gateway.IntegrationAWS, URI: "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem",
		Responses: map[string]*gateway.IntegrationResponse{"default": {}},
	}, integrations.Route{API: "chat"})
	if err != nil {
		t.Fatal(err)
	}
	return invoker.(*call), &gateway.Event{Kind: gateway.EventMessage, Context: []byte(`{}`), Body: []byte(`{"action":"send","text":"hello"}`)}
}

// prepare makes and signs a request.
func prepare(t testing.TB, c *call, ev *gateway.Event) {
	made, err := c.mapped.Request(ev)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.request(t.Context(), ev, made)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.sign(t.Context(), r, made.Body); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSign(b *testing.B) {
	c, ev := signer(b)
	b.ReportAllocs()
	for b.Loop() {
		prepare(b, c, ev)
	}
}

// maxAllocations is what a signed request costs today and a tenth; most of it is the SDK's.
const maxAllocations = 72

func TestSignAllocations(t *testing.T) {
	c, ev := signer(t)
	if n := testing.AllocsPerRun(100, func() { prepare(t, c, ev) }); n > maxAllocations {
		t.Errorf("%v allocations, want at most %d", n, maxAllocations)
	}
}
