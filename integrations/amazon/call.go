package amazon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/transform"
)

const (
	headerContentType = "Content-Type"
	headerTarget      = "X-Amz-Target"
	headerPayload     = "X-Amz-Content-Sha256"

	typeForm   = "application/x-www-form-urlencoded"
	typeAmazon = "application/x-amz-json-" // the version follows
)

// call is one route's service.
type call struct {
	client      *backend.Client
	signer      *v4.Signer
	credentials aws.Credentials
	now         func() time.Time
	address     address
	host        string // "": the URL's
	route       integrations.Route
	target      transform.Target
	mapped      *transform.Transform
}

// Invoke renders the request, signs it, calls the service and renders the result. The result of a one-way event is its
// status.
func (c *call) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	ctx, cancel := integrations.Deadline(ctx, ev)
	defer cancel()
	made, err := c.mapped.Request(ev)
	if err != nil {
		return nil, err
	}
	request, err := c.request(ctx, ev, made)
	if err != nil {
		return nil, err
	}
	if err := c.sign(ctx, request, made.Body); err != nil {
		return nil, err
	}
	limit := c.route.AnswerLimit(ev.Kind)
	got, err := c.client.Do(ctx, request, made.Body, limit)
	if err != nil {
		return nil, err
	}
	answer := transform.Answer{Status: got.Status, Header: gateway.Header(got.Header), Body: got.Body}
	if c.address.invokes() {
		if err := notInvoked(ev.Kind, got); err != nil {
			return nil, err
		}
		answer.Value = errorMessage(got.Body)
	} else {
		// The contract names the error message for Lambda alone (contract/websocket-api.md §7.6): other services are
		// chosen by their status, as REST APIs do it (contract/rest-api.md §10.1).
		answer.Value = strconv.Itoa(got.Status)
	}
	if limit == backend.DiscardAnswer {
		return c.mapped.Outcome(answer, made.Overrides)
	}
	return c.mapped.Response(ev, answer, made.Overrides, limit)
}

// request puts the request together, all but its signature.
func (c *call) request(ctx context.Context, ev *gateway.Event, made transform.Request) (*http.Request, error) {
	speaksJSON := c.address.action != "" && c.address.known.target != ""
	if speaksJSON {
		made.ContentType = typeAmazon + c.address.known.json
	}
	r, err := c.target.Fill(ev, made)
	if err != nil {
		return nil, err
	}
	if r.Host != r.URL.Host { // set by a template, too
		return nil, integrations.Misconfigured(ev.Kind, gateway.Errorf(gateway.CodeIntegration, "the request template set the host"))
	}
	for name := range r.Header {
		if signed(name) { // set by a template; mappings are refused before
			return nil, integrations.Misconfigured(ev.Kind, gateway.Errorf(gateway.CodeIntegration, "the request template set a header of the signature"))
		}
	}
	switch media, _, _ := mime.ParseMediaType(r.Header.Get(headerContentType)); {
	case c.address.action == "":
	case speaksJSON && media != typeForm:
		if r.Header.Get(headerTarget) == "" { // what is mapped stays
			r.Header.Set(headerTarget, c.address.known.target+"."+c.address.action)
		}
	default: // in the query, also of a service that takes both, where the mapping says that the body is a form
		r.URL.RawQuery = strings.TrimSuffix("Action="+c.address.action+"&"+r.URL.RawQuery, "&")
	}
	if c.host != "" {
		r.Host = c.host
	}
	backend.Trace(ctx, r.Header, c.route.API)
	return r, nil
}

// sign signs the request with the body's hash (AWS Signature Version 4).
func (c *call) sign(ctx context.Context, r *http.Request, body []byte) error {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if c.address.known.plainPaths {
		r.Header.Set(headerPayload, hash)
	}
	err := c.signer.SignHTTP(ctx, c.credentials, r, hash, c.address.signingName(), c.address.region, c.now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = c.address.known.plainPaths
	})
	if err != nil { // without the cause, which is the SDK's and might quote anything
		return gateway.Errorf(gateway.CodeInternal, "the call could not be signed")
	}
	return nil
}
