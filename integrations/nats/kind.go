package nats

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router/mapping"
)

// Config says what a Kind works with.
type Config struct {
	// Bus sends events to their Subject: the bus client. Required.
	Bus gateway.Invoker
	// Prefix is the gateway's own subject prefix, below which no backend may be. Required.
	Prefix string
}

// Kind is the NATS integration type.
type Kind struct {
	bus    gateway.Invoker
	prefix string
}

var _ integrations.Kind = (*Kind)(nil)

// New returns the kind.
func New(c Config) (*Kind, error) {
	if c.Bus == nil || c.Prefix == "" {
		return nil, errors.New("nats: Config.Bus or Config.Prefix is missing")
	}
	return &Kind{bus: c.Bus, prefix: c.Prefix}, nil
}

// Type returns NATS.
func (*Kind) Type() gateway.IntegrationType { return gateway.IntegrationNATS }

// Check reports subjects that no event may go to and request parameters that no NATS message can carry.
func (k *Kind) Check(in *gateway.Integration, _ gateway.Protocol) []gateway.Fault {
	faults := integrations.Unused(in, integrations.FieldSubject, integrations.FieldPayloadFormatVersion,
		integrations.FieldRequestParameters)
	if in.Subject != "" {
		if problem := k.checkSubject(in.Subject); problem != "" {
			faults = append(faults, gateway.Fault{
				Path:    []string{string(integrations.FieldSubject)},
				Problem: problem,
				Hint:    "such as orders.create",
			})
		}
	} else if len(in.RequestParameters) > 0 {
		faults = append(faults, gateway.Fault{
			Path:    []string{string(integrations.FieldRequestParameters)},
			Problem: "an event that goes straight to the route's own subject is not mapped",
			Hint:    "give a subject; the event's context is in the Sallyport-Context header",
		})
	}
	faults = append(faults, integrations.CheckPayloadFormatVersion(in)...)
	return append(faults, checkTargets(in.RequestParameters)...)
}

// maxSubject leaves most of what a subject and its reply may have together (nats-facts §1.4) to the reply.
const maxSubject = 1024

// checkSubject returns what is wrong with subject, or "".
func (k *Kind) checkSubject(subject string) string {
	if len(subject) > maxSubject {
		return fmt.Sprintf("subject is longer than %d characters", maxSubject)
	}
	if strings.HasPrefix(subject, "$") {
		return "subjects that begin with $ belong to the NATS server"
	}
	if subject == k.prefix || strings.HasPrefix(subject, k.prefix+".") {
		// A route's own subject would come back to this worker for ever; @edge and @connections are nobody's backend.
		return "subjects below " + k.prefix + ". belong to the gateway"
	}
	for i := range len(subject) {
		switch c := subject[i]; {
		case c <= ' ' || c > '~':
			return "subject has a space or a character outside ASCII"
		case c == '*' || c == '>':
			return "an event can't be sent to a wildcard"
		case c == '{' || c == '}':
			return "parameters are not filled in in a subject"
		}
	}
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" {
			return "subject has an empty token"
		}
	}
	return ""
}

// checkTargets reports targets that a NATS message has no place for. Those that are no targets at all router reports.
func checkTargets(m map[string]string) []gateway.Fault {
	var faults []gateway.Fault
	for _, target := range slices.Sorted(maps.Keys(m)) {
		name, isHeader := strings.CutPrefix(target, mapping.HeaderTarget)
		problem, hint := "", ""
		switch {
		case isHeader && reserved(name):
			problem, hint = "this header has a meaning of its own on NATS and can't be set", "choose another name"
		case !isHeader && strings.HasPrefix(target, "integration.request."):
			problem, hint = "a NATS message has neither query nor path", mapping.HeaderTarget+"NAME"
		default:
			continue
		}
		faults = append(faults, gateway.Fault{
			Path: []string{string(integrations.FieldRequestParameters), target}, Problem: problem, Hint: hint,
		})
	}
	return faults
}

// reserved names are dropped by the bus: those with a meaning on NATS, and the trace context, which is the gateway's own
// (DESIGN §3.3).
func reserved(name string) bool {
	return bus.Reserved(name) || strings.EqualFold(name, "traceparent") || strings.EqualFold(name, "tracestate")
}

// Open prepares the events of a route for the integration's subject.
func (k *Kind) Open(in *gateway.Integration, r integrations.Route) (gateway.Invoker, error) {
	parameters, faults := mapping.ParseParameters(in.RequestParameters)
	faults = integrations.Under(integrations.FieldRequestParameters, faults)
	if in.Subject == "" {
		faults = append(faults, gateway.Fault{
			Path:    []string{string(integrations.FieldSubject)},
			Problem: "without a subject the route's subscribers are the backend, not a worker",
		})
	}
	if len(faults) > 0 {
		return nil, &integrations.FaultError{Fault: faults[0]}
	}
	return &subject{
		bus: k.bus, name: in.Subject, version: in.PayloadFormatVersion, parameters: parameters, route: r,
	}, nil
}
