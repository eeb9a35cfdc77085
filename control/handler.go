package control

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// streamPrefix is what the streams' paths begin with. They have no HEAD: it would go on for ever with nothing to read.
const streamPrefix = "/v1/"

// handler is the way of a request: cross-origin guard → callback or table of paths.
func (s *Server) handler() http.Handler {
	guard := http.NewCrossOriginProtection() // no web page of another origin may post or delete
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "Cross-origin requests are refused")
	}))
	paths := map[string]http.HandlerFunc{
		"/livez":          s.alive,
		"/healthz":        s.alive,
		"/readyz":         s.ready,
		"/version":        s.version,
		"/v1/connections": s.managed(s.connections),
		"/v1/tail":        s.managed(s.tail),
	}
	if s.cfg.Metrics != nil {
		paths["/metrics"] = s.cfg.Metrics.ServeHTTP
	}
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if s.cfg.IsCallback != nil && s.cfg.IsCallback(path) {
			s.callback(w, r)
			return
		}
		serve, ok := paths[path]
		switch {
		case !ok:
			refuse(w, http.StatusNotFound, "Not Found")
		case r.Method != http.MethodGet && (r.Method != http.MethodHead || strings.HasPrefix(path, streamPrefix)):
			w.Header().Set("Allow", http.MethodGet)
			refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		default:
			serve(w, r)
		}
	}))
}

// callback hands a request to the edge. A page that came under a foreign name is of the same origin to a browser, so
// the cross-origin guard lets it pass: its Origin header gives it away.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" && !s.ownHost(r.Host) {
		refuse(w, http.StatusForbidden, "Cross-origin requests are refused")
		return
	}
	s.cfg.Callbacks.ServeHTTP(w, r)
}

// closedMessage says what to do instead.
const closedMessage = "Management calls become available here with signed calls; until then use the command with --nats URL, " +
	"which asks over NATS"

// managed lets a management read pass to whoever may have it.
func (s *Server) managed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.cfg.Access != AccessOpen:
			refuse(w, http.StatusForbidden, closedMessage)
		case !s.ownHost(r.Host):
			refuse(w, http.StatusForbidden, "This gateway is not called "+printableHost(r.Host)+"; use localhost, its IP address or --domain")
		default:
			next(w, r)
		}
	}
}

// ownHost reports whether a Host header is a name of ours. An IP address is: no name was resolved to get here.
func (s *Server) ownHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if isOrBelow(host, "localhost") {
		return true
	}
	for _, own := range s.cfg.Hosts {
		if own != "" && isOrBelow(host, strings.ToLower(strings.TrimSuffix(own, "."))) {
			return true
		}
	}
	return false
}

func isOrBelow(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// printableHost cuts a host for a message; net/http has checked its characters.
func printableHost(host string) string {
	const shown = 100
	return host[:min(len(host), shown)]
}

// alive answers /livez and /healthz: the process runs and answers.
func (s *Server) alive(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready answers /readyz, by which load balancers decide.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if reasons := s.cfg.Ready(); len(reasons) > 0 {
		answer(w, http.StatusServiceUnavailable, notReady{Message: "not ready", Reasons: reasons})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

type notReady struct {
	Message string   `json:"message"`
	Reasons []string `json:"reasons"`
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.cfg.Build)
}

// refuse answers with the error form that all of Sallyport's HTTP sides share.
func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // the bodies above are plain
		status, text = http.StatusInternalServerError, []byte(`{"message":"Internal Server Error"}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may have left; nobody is there to be told
}
