package edge

import (
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
)

// newCallbackVerifier returns what verifies callbacks, or nil where they are not signed.
func newCallbackVerifier(c *Config) (*sigv4.Verifier, error) {
	if c.Callbacks != CallbacksSigned {
		return nil, nil
	}
	return sigv4.New(sigv4.Config{Keys: c.Keys, Services: []string{sigv4.ServiceExecuteAPI}, Now: c.Now})
}

// admit verifies a callback's signature and returns whose it is, with the body, which is signed too. Strangers are refused
// before their body is read.
func (h *callbacks) admit(w http.ResponseWriter, r *http.Request, x *callbackExchange, limit int) (accesskeys.Key, []byte, error) {
	signed := &sigv4.Request{Method: r.Method, Host: r.Host, Header: gateway.Header(r.Header)}
	signed.Path, signed.Query = sigv4.Target(r.RequestURI)
	if err := h.cfg.Verifier.Precheck(x.ctx, signed); err != nil {
		return accesskeys.Key{}, nil, err
	}
	body, err := readBody(w, r, limit)
	x.record.BytesIn = len(body)
	if err != nil {
		return accesskeys.Key{}, nil, err
	}
	signed.Body = body
	key, err := h.cfg.Verifier.Verify(x.ctx, signed)
	return key, body, err
}

// authorize reports whether the key's owner may manage the connection that ref names. Where the address leaves out the API
// the owner of the connection does not check it, so that a key for one API makes ref name that, and one for several must
// be used with addresses that say which.
func authorize(key *accesskeys.Key, ref *gateway.ConnectionRef, method string) error {
	if ref.API == "" && !key.Root && len(key.APIs) == 1 {
		ref.API = key.APIs[0]
	}
	if key.Allows(accesskeys.ActionManageConnections, ref.API) {
		return nil
	}
	return sigv4.AccessDenied(*key, accesskeys.ActionManageConnections, callbackARN(ref, method))
}

// shownAccountDigits of an account number are told to a refused caller.
const shownAccountDigits = 4

// callbackARN is the resource as Amazon's service names it to the refused: without the connection's id, and with most of
// the account number hidden (contract/websocket-api.md §9.2).
func callbackARN(ref *gateway.ConnectionRef, method string) string {
	api, stage := ref.API, ref.Stage
	if api == "" {
		api = "*"
	}
	if stage == "" {
		stage = "*"
	}
	hidden := len(gateway.DefaultAccount) - shownAccountDigits
	account := strings.Repeat("*", hidden) + gateway.DefaultAccount[hidden:]
	return strings.Replace(gateway.InvokeARN(api, stage, method+callbackRoute), gateway.DefaultAccount, account, 1)
}
