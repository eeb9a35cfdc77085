package edge

import (
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// httpMatch is the route that takes a request.
type httpMatch struct {
	program *router.Program
	route   *router.Route
	params  map[string]string
	// path is the client's, still escaped, with a named stage: what events show (contract/http-api.md §4.1).
	path string
}

// match finds API, stage and route of a request and notes them in x as they become known.
func (f *httpFront) match(r *http.Request, x *httpExchange) (httpMatch, error) {
	table := f.cfg.Live.Load()
	address, ok := table.Resolve(r.Host, x.record.Path)
	if !ok {
		return httpMatch{}, unknownAddress(table, r.Host, x.record.Path)
	}
	m := httpMatch{program: address.Program, path: address.StageInPath + address.Path}
	if m.path == "" {
		m.path = "/"
	}
	x.record.API, x.record.Stage = m.program.API(), m.program.Stage()
	if m.program.Protocol() == gateway.ProtocolWebSocket {
		return httpMatch{}, upgradeRequired()
	}
	routed := address.Path
	if routed == "" {
		routed = "/"
	}
	var err error
	if m.route, m.params, err = m.program.Request(r.Method, routed); err != nil {
		return httpMatch{}, err
	}
	x.record.Route = m.route.Key()
	return m, nil
}

// unknownAddress says what is wrong with an address that has no live program: a WebSocket API wants an upgrade whatever
// the path (contract/websocket-api.md §2), an HTTP API lacks the stage (contract/http-api.md §2.2), anything else is an
// unknown host (§2.5).
func unknownAddress(table *router.Table, host, escapedPath string) error {
	label, _, _ := strings.Cut(router.WithoutPort(host), ".")
	segment, _, _ := strings.Cut(strings.TrimPrefix(escapedPath, "/"), "/")
	for _, p := range table.Programs() {
		if api := string(p.API()); !strings.EqualFold(api, label) && api != segment {
			continue
		}
		if p.Protocol() == gateway.ProtocolWebSocket {
			return upgradeRequired()
		}
		return gateway.Errorf(gateway.CodeNotFound, "Not Found")
	}
	return &refusal{
		status: http.StatusForbidden, code: gateway.CodeForbidden, message: "Forbidden",
		header: http.Header{headerErrorType: {errorForbidden}, headerAmznRequestID: {newUUID()}},
	}
}

func upgradeRequired() error {
	return &refusal{
		status: http.StatusUpgradeRequired, code: gateway.CodeBadRequest, message: "Upgrade Required",
		header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}, // RFC 9110 §15.5.22
	}
}

// refusal is an answer of the front itself that no gateway.Code stands for.
type refusal struct {
	status  int
	code    gateway.Code
	message string
	// header takes the place of apigw-requestid.
	header http.Header
}

// Error returns the message that the client gets.
func (r *refusal) Error() string { return r.message }
