package control

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
)

const (
	// serviceSallyport signs management calls. execute-api is taken too: it is what tools that sign callbacks have set up.
	serviceSallyport = "sallyport"
	// maxManagedBody bounds the body of a management call: the largest is a new access key with its lists.
	maxManagedBody = 64 << 10
	// manageResource stands where Amazon's message about a refused caller has an ARN.
	manageResource = "sallyport:management"
)

// noKeys is the answer of a server that was given no access keys: nobody can sign.
type noKeys struct{}

func (noKeys) Key(context.Context, string) (accesskeys.Key, error) {
	return accesskeys.Key{}, accesskeys.ErrUnknown
}

// managedCall is a management call that was let in.
type managedCall struct {
	// caller may do everything where access is open.
	caller accesskeys.Key
	body   []byte
}

// managedFunc answers a management call.
type managedFunc func(w http.ResponseWriter, r *http.Request, call managedCall)

// reads makes a managedFunc of a handler that needs to know nothing of its caller.
func reads(next http.HandlerFunc) managedFunc {
	return func(w http.ResponseWriter, r *http.Request, _ managedCall) { next(w, r) }
}

// managed lets a management call pass to whoever may make it.
func (s *Server) managed(next managedFunc) http.HandlerFunc {
	return s.managedBody(maxManagedBody, next)
}

// managedBody is managed for calls whose body may have so many bytes.
func (s *Server) managedBody(most int64, next managedFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Access == AccessOpen && !s.ownHost(r.Host) {
			refuse(w, http.StatusForbidden, "This gateway is not called "+printableHost(r.Host)+"; use localhost, its IP address or --domain")
			return
		}
		if s.cfg.Access != AccessOpen {
			// Nobody's body is read before it is known that one of the keys is meant.
			if err := s.verifier.Precheck(r.Context(), wireRequest(r, nil)); err != nil {
				refuseCaller(w, err)
				return
			}
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
		if err != nil {
			refuse(w, http.StatusRequestEntityTooLarge, "The body is too large, or did not come to its end")
			return
		}
		call := managedCall{caller: accesskeys.Key{Root: true}, body: body}
		if s.cfg.Access != AccessOpen {
			if call.caller, err = s.verifier.Verify(r.Context(), wireRequest(r, body)); err != nil {
				refuseCaller(w, err)
				return
			}
			// A key that is limited to APIs may ask about those, one by one.
			if most == maxManagedBody && !call.caller.Allows(accesskeys.ActionManage, gateway.APIID(r.URL.Query().Get("api"))) {
				refuseCaller(w, deniedManage(call.caller))
				return
			}
		}
		next(w, r, call)
	}
}

func deniedManage(k accesskeys.Key) error {
	return sigv4.AccessDenied(k, accesskeys.ActionManage, manageResource)
}

// wireRequest is the request as it was signed: path and query are not decoded (contract/control-plane.md §3.3).
func wireRequest(r *http.Request, body []byte) *sigv4.Request {
	path, query := sigv4.Target(r.RequestURI)
	return &sigv4.Request{Method: r.Method, Host: r.Host, Path: path, Query: query, Header: gateway.Header(r.Header), Body: body}
}

// refuseCaller answers as Amazon does to callers that it does not let in (contract/control-plane.md §3.15).
func refuseCaller(w http.ResponseWriter, err error) {
	var refused *sigv4.Error
	if !errors.As(err, &refused) {
		code, message := publicError(err)
		refuse(w, statusOf(code), message)
		return
	}
	w.Header().Set("X-Amzn-Errortype", refused.Type)
	writeJSON(w, http.StatusForbidden, refused.Body())
}
