package transform

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/router/mapping"
	"github.com/sallyport/sallyport/router/vtl"
)

// Target is where the requests of one route go. Nothing of the client reaches it but what Parameters map and what
// templates render (contract/websocket-api.md §7.4). It is safe for concurrent use.
type Target struct {
	Method     string
	URI        *mapping.URI
	Variables  map[string]string // the stage's
	Parameters *mapping.Parameters
}

const (
	headerAccept = "Accept"
	headerHost   = "Host"
)

var errHeader = errors.New("a template's header has a name that no request may have")

// Fill makes the request for ev and what Request made of it, without the body: defaults first (contract/rest-api.md
// §8.2), then mapped parameters, then what the template overrides (contract/mapping-templates.md §7.2). Each call returns
// a request of its own. Errors are *gateway.Error: CodeBadRequest for a value that the URL can't hold,
// integrations.Misconfigured for a header that can't be set and a placeholder without a value.
func (t *Target) Fill(ev *gateway.Event, made Request) (*http.Request, error) {
	r, err := t.fill(ev, made)
	return r, integrations.Misconfigured(ev.Kind, err)
}

func (t *Target) fill(ev *gateway.Event, made Request) (*http.Request, error) {
	mapped := t.Parameters.Apply(ev)
	u, err := t.url(mapped, made.Overrides)
	if err != nil {
		return nil, err
	}
	header := http.Header{headerAccept: {TypeJSON}}
	if made.ContentType != "" {
		header[headerContentType] = []string{made.ContentType}
	}
	for name, value := range mapped.Header { // without those that Check refuses
		header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	for _, o := range made.Overrides.RequestHeader() {
		name := http.CanonicalHeaderKey(o.Name)
		if !backend.Token(name) || backend.Reserved(name) {
			return nil, failed("the request template failed", errHeader)
		}
		header[name] = []string{mapping.HeaderText(strings.Join(o.Values, ","))}
	}
	request := &http.Request{Method: t.Method, URL: u, Host: u.Host, Header: header}
	if host := header[headerHost]; len(host) > 0 {
		request.Host = host[0]
		delete(header, headerHost)
	}
	return request, nil
}

// url is the URI with its placeholders filled in, and its query with the mapped one behind it.
func (t *Target) url(mapped mapping.Mapped, overrides *vtl.Overrides) (*url.URL, error) {
	path := mapped.Path
	for _, o := range overrides.RequestPath() {
		if path == nil {
			path = make(map[string]string)
		}
		path[o.Name] = strings.Join(o.Values, ",")
	}
	expanded, err := t.URI.Expand(t.Variables, path)
	if err != nil {
		return nil, err
	}
	u, err := backend.ParseURL(expanded)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeBadRequest, "Bad Request").Because(err)
	}
	query := mapped.Query
	for _, o := range overrides.RequestQuerystring() {
		if query == nil {
			query = make(url.Values)
		}
		query[o.Name] = o.Values
	}
	if len(query) > 0 {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += query.Encode()
	}
	return u, nil
}
