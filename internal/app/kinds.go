package app

import (
	"context"
	"fmt"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/amazon"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/httpcustom"
	"github.com/sallyport/sallyport/integrations/httpproxy"
	"github.com/sallyport/sallyport/integrations/lambda"
	"github.com/sallyport/sallyport/integrations/mock"
	"github.com/sallyport/sallyport/integrations/nats"
	"github.com/sallyport/sallyport/router"
)

// kinds is the one list of the integration kinds of this build. calls is for those that call HTTP backends, sender the
// bus, for the one that sends events on, services says how AWS integrations sign and where they call.
func kinds(calls *backend.Client, sender gateway.Invoker, prefix string, services amazon.Config) ([]integrations.Kind, error) {
	proxyKind, err := httpproxy.New(httpproxy.Config{Client: calls})
	if err != nil {
		return nil, err
	}
	httpKind, err := httpcustom.New(httpcustom.Config{Client: calls})
	if err != nil {
		return nil, err
	}
	lambdaKind, err := lambda.New(lambda.Config{Client: calls})
	if err != nil {
		return nil, err
	}
	services.Client = calls
	serviceKind, err := amazon.New(services)
	if err != nil {
		return nil, err
	}
	natsKind, err := nats.New(nats.Config{Bus: sender, Prefix: prefix})
	if err != nil {
		return nil, err
	}
	return []integrations.Kind{proxyKind, httpKind, lambdaKind, serviceKind, mock.New(), natsKind}, nil
}

// checkingOnly stands for the bus where definitions are only checked: checking sends nothing.
var checkingOnly = gateway.InvokerFunc(func(context.Context, *gateway.Event) (*gateway.Reply, error) {
	return nil, gateway.Errorf(gateway.CodeUnavailable, "definitions are only checked here")
})

// routerConfig is what the router is given: how subjects are named, and each kind's rules. payloadCap is how large a
// message this NATS takes; 0 means the embedded server's.
func routerConfig(prefix string, payloadCap int) (router.Config, error) {
	all, err := kinds(backend.New(backend.Config{}), checkingOnly, prefix, amazon.Config{})
	if err != nil {
		return router.Config{}, fmt.Errorf("integration kinds: %w", err)
	}
	checks := make(map[gateway.IntegrationType]router.IntegrationCheck, len(all))
	for _, k := range all {
		checks[k.Type()] = k.Check
	}
	subjects := bus.Subjects{Prefix: prefix}
	return router.Config{Subject: subjects.Event, AuthSubject: subjects.Authorizer, DurableSubject: subjects.Durable, Checks: checks, PayloadCap: payloadCap}, nil
}
