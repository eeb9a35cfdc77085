package control

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// handler is the way of a request: cross-origin guard → callback or table of paths.
func (s *Server) handler() http.Handler {
	guard := http.NewCrossOriginProtection() // no web page of another origin may post or delete
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "Cross-origin requests are refused")
	}))
	paths := s.paths()
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if s.cfg.IsCallback != nil && s.cfg.IsCallback(path) {
			s.callback(w, r)
			return
		}
		methods, ok := paths[path]
		if !ok {
			methods, ok = paths[patternOf(path)]
		}
		serve := methods[r.Method]
		switch {
		case !ok:
			refuse(w, http.StatusNotFound, "Not Found")
		case serve == nil:
			w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
			refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		default:
			serve(w, r)
		}
	}))
}

// methods are the handlers of one path.
type methods map[string]http.HandlerFunc

// pathReady is where load balancers and the healthcheck command ask.
const pathReady = "/readyz"

// paths is the table of what is served beside callbacks; patternOf says which entries have an id behind them. The streams have no HEAD: it would go on for ever with nothing to
// read.
func (s *Server) paths() map[string]methods {
	both := func(h http.HandlerFunc) methods { return methods{http.MethodGet: h, http.MethodHead: h} }
	paths := map[string]methods{
		"/livez":   both(s.alive),
		"/healthz": both(s.alive),
		pathReady:  both(s.ready),
	}
	if s.cfg.Metrics != nil {
		paths["/metrics"] = both(s.cfg.Metrics.ServeHTTP)
	}
	if s.cfg.Scope == ScopeHealth {
		return paths
	}
	maps.Copy(paths, map[string]methods{
		"/version":            both(s.version),
		"/v1/connections":     {http.MethodGet: s.managed(reads(s.connections))},
		"/v1/tail":            {http.MethodGet: s.managed(reads(s.tail))},
		pathDrain:             {http.MethodPost: s.managed(s.drain)},
		pathAPIs:              {http.MethodGet: s.managed(s.listAPIs), http.MethodPost: s.managedBody(maxAppliedBody, s.applyAPIs)},
		pathAPIs + "/":        {http.MethodDelete: s.managed(s.deleteAPI)},
		pathAccessKeys:        {http.MethodGet: s.managed(s.listKeys), http.MethodPost: s.managed(s.createKey)},
		pathAccessKeys + "/":  {http.MethodDelete: s.managed(s.deleteKey)},
		pathDeadLetters:       {http.MethodGet: s.managed(s.listLetters)},
		pathDeadLetters + "/": {http.MethodGet: s.managed(s.getLetter), http.MethodDelete: s.managed(s.deleteLetter)},
		pathReplayLetter:      {http.MethodPost: s.managed(s.replayLetter)},
	})
	return paths
}

// patternOf is the entry of the table for a path with an id in it, or "".
func patternOf(path string) string {
	for _, collection := range []string{pathAPIs, pathAccessKeys, pathDeadLetters} {
		id, below := strings.CutPrefix(path, collection+"/")
		if !below || id == "" {
			continue
		}
		id, verb, more := strings.Cut(id, "/")
		switch {
		case id == "":
		case !more:
			return collection + "/"
		case collection == pathDeadLetters && verb == verbReplay:
			return pathReplayLetter
		}
	}
	return ""
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
	writeJSON(w, status, text)
}

// writeJSON answers with a body that is JSON already.
func writeJSON(w http.ResponseWriter, status int, text []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may have left; nobody is there to be told
}
