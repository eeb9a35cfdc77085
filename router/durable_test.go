package router

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

// durableAPI is a WebSocket API whose route order is what change makes of it.
func durableAPI(change func(*gateway.API, *gateway.Route)) *gateway.API {
	native := &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationNATS}}
	order := &gateway.Route{Integration: native}
	api := &gateway.API{
		APIID: "shop", Name: "Shop", Protocol: gateway.ProtocolWebSocket, RouteSelectionExpression: "$request.body.action",
		Routes: map[gateway.RouteKey]*gateway.Route{"order": order},
	}
	change(api, order)
	return api
}

func TestDurableRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*gateway.API, *gateway.Route)
		want   *Durable
	}{
		"absent":       {func(*gateway.API, *gateway.Route) {}, nil},
		"at most once": {func(_ *gateway.API, r *gateway.Route) { r.Delivery = gateway.DeliverAtMostOnce }, nil},
		"defaults": {
			func(_ *gateway.API, r *gateway.Route) { r.Delivery = gateway.DeliverAtLeastOnce },
			&Durable{Subject: "store.shop.dev.order", MaxAttempts: 8, Backoff: time.Second},
		},
		"all of it": {
			func(_ *gateway.API, r *gateway.Route) {
				r.Delivery, r.Acknowledge, r.Retry = gateway.DeliverAtLeastOnce, true, &gateway.Retry{MaxAttempts: 3, BackoffSeconds: 5}
			},
			&Durable{Subject: "store.shop.dev.order", Acknowledge: true, MaxAttempts: 3, Backoff: 5 * time.Second},
		},
		"two-way": {
			func(_ *gateway.API, r *gateway.Route) {
				r.Delivery, r.RouteResponse, r.Retry = gateway.DeliverAtLeastOnce, true, &gateway.Retry{MaxAttempts: 1}
			},
			&Durable{Subject: "store.shop.dev.order", MaxAttempts: 1, Backoff: time.Second},
		},
	} {
		p, faults := Compile(&gateway.Deployment{ID: "d1", API: durableAPI(c.change), Stage: "dev"}, Config{
			DurableSubject: func(a gateway.APIID, s gateway.StageName, k gateway.RouteKey) string {
				return "store." + string(a) + "." + string(s) + "." + string(k)
			},
		})
		if len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
			continue
		}
		if diff := cmp.Diff(c.want, p.Route("order").Durable()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := NewTable([]*Program{p}, "").HasDurable(); got != (c.want != nil) {
			t.Errorf("%s: the table says %v", name, got)
		}
	}
}

func TestDeliveryFaults(t *testing.T) {
	stored := func(r *gateway.Route) { r.Delivery = gateway.DeliverAtLeastOnce }
	special := func(key gateway.RouteKey) func(*gateway.API, *gateway.Route) {
		return func(api *gateway.API, r *gateway.Route) {
			stored(r)
			api.Routes[key] = r
			delete(api.Routes, "order")
		}
	}
	http := func(set func(*gateway.Route)) func(*gateway.API, *gateway.Route) {
		return func(api *gateway.API, r *gateway.Route) {
			set(r)
			api.Protocol, api.RouteSelectionExpression = gateway.ProtocolHTTP, ""
			api.Routes = map[gateway.RouteKey]*gateway.Route{"GET /": r}
		}
	}
	for name, c := range map[string]struct {
		change func(*gateway.API, *gateway.Route)
		want   string
	}{
		"unknown": {func(_ *gateway.API, r *gateway.Route) { r.Delivery = "twice" }, `routes.order.delivery: unknown delivery "twice"`},
		"acknowledge alone": {
			func(_ *gateway.API, r *gateway.Route) { r.Acknowledge = true }, "routes.order.acknowledge: only a stored message can be acknowledged",
		},
		"retry alone": {
			func(_ *gateway.API, r *gateway.Route) { r.Retry = &gateway.Retry{} }, "routes.order.retry: only a stored message can be tried again",
		},
		"acknowledge and answer": {
			func(_ *gateway.API, r *gateway.Route) { stored(r); r.Acknowledge, r.RouteResponse = true, true },
			"routes.order.acknowledge: a two-way route answers with the backend's result",
		},
		"too many attempts": {
			func(_ *gateway.API, r *gateway.Route) { stored(r); r.Retry = &gateway.Retry{MaxAttempts: 101} },
			"routes.order.retry.maxAttempts: 101 is out of range (1 to 100)",
		},
		"a wait too long": {
			func(_ *gateway.API, r *gateway.Route) { stored(r); r.Retry = &gateway.Retry{BackoffSeconds: 3601} },
			"routes.order.retry.backoffSeconds: 3601 is out of range (1 to 3600)",
		},
		"a negative wait": {
			func(_ *gateway.API, r *gateway.Route) { stored(r); r.Retry = &gateway.Retry{BackoffSeconds: -1} },
			"routes.order.retry.backoffSeconds: -1 is out of range",
		},
		"$connect":         {special(gateway.RouteConnect), "routes.$connect.delivery: a handshake waits for its answer now"},
		"$disconnect":      {special(gateway.RouteDisconnect), "routes.$disconnect.delivery: the end of a connection is kept in the journal"},
		"$refresh":         {special(gateway.RouteRefresh), "routes.$refresh.delivery: a token is judged now"},
		"HTTP":             {http(stored), "routes.GET /.delivery: only WebSocket APIs have it"},
		"HTTP retry":       {http(func(r *gateway.Route) { r.Retry = &gateway.Retry{} }), "routes.GET /.retry: only WebSocket APIs have it"},
		"HTTP acknowledge": {http(func(r *gateway.Route) { r.Acknowledge = true }), "routes.GET /.acknowledge: only WebSocket APIs have it"},
	} {
		var texts []string
		for _, f := range Check(durableAPI(c.change), Config{}) {
			texts = append(texts, f.String())
		}
		if all := strings.Join(texts, "\n"); !strings.Contains(all, c.want) {
			t.Errorf("%s: the faults are\n%s\nwant %s", name, all, c.want)
		}
	}
}

func TestStoredFrame(t *testing.T) {
	got := StoredFrame([]byte("x"), "Ti89OAAt3vcAAAQ=", "L0SM9cOFvHcCIhw=", "JCInYgIKPHcEJbQ=")
	if want := `x{"messageId":"Ti89OAAt3vcAAAQ=","connectionId":"L0SM9cOFvHcCIhw=","requestId":"JCInYgIKPHcEJbQ="}`; string(got) != want {
		t.Errorf("the frame is %s, want %s", got, want)
	}
}
