package amazon

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/transform"
	"github.com/sallyport/sallyport/router/mapping"
)

// Credentials sign every call of the process. There are no roles, so an integration has none of its own.
type Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// missing reports whether nothing can be signed.
func (c Credentials) missing() bool { return c.AccessKeyID == "" || c.SecretAccessKey == "" }

// Config says what a Kind works with.
type Config struct {
	// Client makes the calls. Required.
	Client *backend.Client
	// Credentials may be empty: then AWS integrations can be checked and not opened.
	Credentials Credentials
	Endpoints   Endpoints
	// Now is the clock of signatures; nil means time.Now.
	Now func() time.Time
}

// Kind is the AWS integration type.
type Kind struct {
	config Config
	signer *v4.Signer // safe for concurrent use; it keeps the derived keys
}

var _ integrations.Kind = (*Kind)(nil)

// New returns the kind.
func New(c Config) (*Kind, error) {
	if c.Client == nil {
		return nil, errors.New("amazon: Config.Client is missing")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Kind{config: c, signer: v4.NewSigner()}, nil
}

// Type returns AWS.
func (*Kind) Type() gateway.IntegrationType { return gateway.IntegrationAWS }

// methods are the values of httpMethod; ANY is POST, as leaving it out is.
func methods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, methodAny}
}

const methodAny = "ANY"

// Check reports a uri that is no service's, a method that can't be called, headers that belong to the signature, and what
// transform.Parse finds.
func (*Kind) Check(in *gateway.Integration, p gateway.Protocol) []gateway.Fault {
	faults := integrations.Unused(in, integrations.FieldURI, integrations.FieldHTTPMethod, integrations.FieldRequestParameters,
		integrations.FieldRequestTemplates, integrations.FieldResponses, integrations.FieldTemplateSelection,
		integrations.FieldPassthrough, integrations.FieldContentHandling)
	if p != gateway.ProtocolWebSocket {
		faults = append(faults, gateway.Fault{Path: []string{"type"}, Problem: "AWS is for WEBSOCKET APIs", Hint: "LAMBDA or HTTP_PROXY"})
	}
	faults = append(faults, checkURI(in)...)
	if in.HTTPMethod != "" && !slices.Contains(methods(), in.HTTPMethod) {
		faults = append(faults, gateway.Fault{
			Path: []string{string(integrations.FieldHTTPMethod)}, Problem: "unknown method", Hint: "one of " + strings.Join(methods(), ", "),
		})
	}
	faults = append(faults, backend.CheckParameters(in.URI, in.RequestParameters)...)
	faults = append(faults, checkSigned(in.RequestParameters)...)
	_, wrong := transform.Parse(in)
	return append(faults, wrong...)
}

// checkURI reports what is wrong with the uri while its stage variables are still open. One that begins with a variable
// is left to Open, as are braces that can't be read to router.
func checkURI(in *gateway.Integration) []gateway.Fault {
	fault := func(problem, hint string) []gateway.Fault {
		return []gateway.Fault{{Path: []string{string(integrations.FieldURI)}, Problem: problem, Hint: hint}}
	}
	if in.URI == "" {
		return fault("uri is missing", uriHint)
	}
	parsed, err := mapping.ParseURI(in.URI)
	if err != nil || strings.HasPrefix(in.URI, "${") {
		return nil
	}
	samples := make(map[string]string)
	for _, name := range parsed.StageVariables() {
		samples[name] = "sample" // fits wherever a variable may stand
	}
	sample, err := withVariables(in.URI, samples)
	if err != nil {
		return fault(err.Error(), uriHint)
	}
	a, err := parseAddress(sample)
	switch {
	case err != nil:
		return fault(err.Error(), uriHint)
	case a.invokes() && in.HTTPMethod != "" && in.HTTPMethod != methodAny && in.HTTPMethod != http.MethodPost:
		return []gateway.Fault{{
			Path: []string{string(integrations.FieldHTTPMethod)}, Problem: "functions are invoked with POST alone", Hint: "leave httpMethod out",
		}}
	}
	return nil
}

// checkSigned reports headers that signing sets (contract/rest-api.md §8.1).
func checkSigned(parameters map[string]string) []gateway.Fault {
	var faults []gateway.Fault
	for target := range parameters {
		name, isHeader := strings.CutPrefix(target, mapping.HeaderTarget)
		if isHeader && signed(http.CanonicalHeaderKey(name)) {
			faults = append(faults, gateway.Fault{
				Path: []string{string(integrations.FieldRequestParameters), target}, Problem: "this header belongs to the signature and can't be set",
				Hint: "leave it out",
			})
		}
	}
	slices.SortFunc(faults, func(a, b gateway.Fault) int { return strings.Compare(a.At(), b.At()) })
	return faults
}

// signed reports whether a header is one that signing sets, or that says what was signed.
func signed(name string) bool {
	switch name {
	case "Authorization", "Host", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256":
		return true
	}
	return false
}

// Open finds the service's endpoint and reads the mapping. Without credentials nothing is opened. What is wrong with the
// process' settings concerns its AWS integrations alone, so it is found here.
func (k *Kind) Open(in *gateway.Integration, r integrations.Route) (gateway.Invoker, error) {
	fault := func(field integrations.Field, problem, hint string) error {
		return &integrations.FaultError{Fault: gateway.Fault{Path: []string{string(field)}, Problem: problem, Hint: hint}}
	}
	if k.config.Credentials.missing() {
		return nil, fault("type", "there are no credentials to sign calls of AWS with", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "+
			"and AWS_SESSION_TOKEN where they are temporary; an emulator takes any")
	}
	mapped, faults := transform.Parse(in)
	if len(faults) > 0 {
		return nil, &integrations.FaultError{Fault: faults[0]}
	}
	parameters, faults := mapping.ParseParameters(in.RequestParameters)
	if len(faults) > 0 {
		return nil, &integrations.FaultError{Fault: integrations.Under(integrations.FieldRequestParameters, faults)[0]}
	}
	uri, err := withVariables(in.URI, r.Variables)
	if err == nil {
		var c *call
		if c, err = k.open(uri, in.HTTPMethod); err == nil {
			c.route, c.mapped, c.target.Parameters = r, mapped, parameters
			return c, nil
		}
	}
	return nil, fault(integrations.FieldURI, err.Error(), "look at the variables of stage "+string(r.Stage)+", and at the process' own")
}

// open makes a call without what it maps.
func (k *Kind) open(uri, method string) (*call, error) {
	a, err := parseAddress(uri)
	if err != nil {
		return nil, err
	}
	if method == "" || method == methodAny {
		method = http.MethodPost // WebSocket events have no method of their own
	}
	base, host, err := k.config.Endpoints.base(a)
	if err != nil {
		return nil, err
	}
	full := base + "/" + strings.TrimPrefix(a.path, "/") // the root is written path//
	if a.action != "" {
		full = base + "/"
		if a.path != "" {
			full += "?" + a.path
		}
	}
	parsed, err := mapping.ParseURI(full)
	if err != nil {
		return nil, err
	}
	return &call{
		client: k.config.Client, signer: k.signer, credentials: k.config.Credentials.sdk(), now: k.config.Now,
		address: a, host: host, target: transform.Target{Method: method, URI: parsed},
	}, nil
}

func (c Credentials) sdk() aws.Credentials {
	return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
}
