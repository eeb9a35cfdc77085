package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/sallyport/sallyport/gateway"
)

// ClientConfig says where the gateway's admin listener is.
type ClientConfig struct {
	// Admin is the URL of --admin, such as http://127.0.0.1:8081; host:port alone means http. Empty means DefaultListen.
	Admin string
	// Credentials sign every call; the zero value signs none, which is enough for dev.
	Credentials Credentials
}

// Client calls the admin listener of a running gateway. It implements gateway.Connections by @connections callbacks.
// Its methods may be called concurrently; their errors are *gateway.Error.
type Client struct {
	base      string
	signer    *signer // nil: calls are not signed
	http      *http.Client
	transport *http.Transport
}

var _ gateway.Connections = (*Client)(nil)

// NewClient checks the address. It does not connect yet.
func NewClient(c ClientConfig) (*Client, error) {
	admin := c.Admin
	if admin == "" {
		admin = DefaultListen
	}
	if !strings.Contains(admin, "://") {
		admin = "http://" + admin
	}
	base, err := url.Parse(admin)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil ||
		base.RawQuery != "" || base.Fragment != "" {
		return nil, gateway.Errorf(gateway.CodeBadRequest, "--admin is no URL of a gateway; write it as http://%s", DefaultListen)
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ResponseHeaderTimeout: answerTimeout,
		TLSHandshakeTimeout:   headerTimeout,
		ForceAttemptHTTP2:     true,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   MaxTails,
	}
	return &Client{
		base:      strings.TrimSuffix(base.String(), "/"),
		signer:    newSigner(c.Credentials),
		transport: transport,
		http: &http.Client{
			Transport: transport,
			// A gateway redirects nowhere; what does is something else, and gets no message a second time.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close drops the connections that are kept for the next call.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// call is one request; path starts with a slash and is escaped.
type call struct {
	method, path string
	header       http.Header
	body         []byte
	limit        int64 // bytes of the answer that are read; 0 means maxKeyAnswer
}

// do sends a request and returns the response if its status is a success. The caller closes its body.
func (c *Client) do(ctx context.Context, call call) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, call.method, c.base+call.path, bytes.NewReader(call.body))
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeBadRequest, "%s%s is no URL", c.base, call.path).Because(err)
	}
	request.Header.Set("User-Agent", "sallyport")
	for name, values := range call.header {
		request.Header[name] = values
	}
	if err := c.signer.sign(ctx, request, call.body); err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreached(ctx, err)
	}
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusMultipleChoices {
		defer response.Body.Close() //nolint:errcheck // only read
		return nil, c.refusal(response)
	}
	return response, nil
}

// answer makes a call and reads the JSON of its answer into v, or drops it when v is nil.
func (c *Client) answer(ctx context.Context, call call, v any) error {
	response, err := c.do(ctx, call)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	limit := int64(maxKeyAnswer)
	if call.limit > 0 {
		limit = call.limit
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err != nil {
		return c.unreached(ctx, err)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		return gateway.Errorf(gateway.CodeIntegration, "%s answered with something that is not expected: is that the gateway's --admin address?", c.base).Because(err)
	}
	return nil
}

// unreached says why no answer came.
func (c *Client) unreached(ctx context.Context, err error) *gateway.Error {
	switch {
	case ctx.Err() != nil:
		return gateway.Errorf(gateway.CodeTimeout, "the call to %s was given up", c.base).Because(err)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, winConnRefused):
		return gateway.Errorf(gateway.CodeUnavailable,
			"nothing listens at %s: is the gateway running there? Start it with sallyport dev, or say where it is with --admin URL", c.base).
			Because(err)
	case isTimeout(err):
		return gateway.Errorf(gateway.CodeTimeout, "%s did not answer in time: is that the gateway's --admin address?", c.base).Because(err)
	}
	return gateway.Errorf(gateway.CodeUnavailable, "no gateway answers at %s: is that its --admin address?", c.base).Because(err)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// refusal reads an error response: {"message": …}, or Amazon's {"Message": …}, or nothing.
func (c *Client) refusal(response *http.Response) *gateway.Error {
	code := codeOf(response.StatusCode)
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // half a body is no message either
	var body struct {
		Message string `json:"message"` // encoding/json takes it in any case
	}
	if json.Unmarshal(text, &body) == nil && body.Message != "" {
		if advice := c.signer.advice(response.Header.Get("X-Amzn-Errortype")); advice != "" {
			return gateway.Errorf(code, "%s", advice).Because(errors.New(body.Message))
		}
		return gateway.Errorf(code, "%s", body.Message)
	}
	if code == gateway.CodeInternal || len(text) > 0 {
		return gateway.Errorf(code, "%s answered %s: is that the gateway's --admin address?", c.base, response.Status)
	}
	return gateway.Errorf(code, "%s", emptyRefusal(code))
}

// emptyRefusal words the statuses that Amazon sends without a body (contract/websocket-api.md §9.2).
func emptyRefusal(code gateway.Code) string {
	switch code {
	case gateway.CodeGone:
		return "there is no such connection, or no longer"
	case gateway.CodeSlowClient:
		return "the client reads too slowly: nothing was sent, try again later"
	default:
		return fmt.Sprintf("the gateway refused: %s", code)
	}
}
