package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// httpBackend is the HTTP backend of a transcript; {backend} in a definition stands for its URL.
//
//	/echo…          answers with the request as it came: method, path, headers that matter, body
//	/status/NNN     answers with that status
//	/hang           answers when the caller has gone
//	/2015-03-31/functions/NAME/invocations   is a Lambda function: echo returns its event as the body, crash fails,
//	                junk returns what is no result, refuse returns statusCode 401
func httpBackend(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.Header().Set("X-Test", "from the backend")
		w.WriteHeader(code)
		fmt.Fprintf(w, "status %d", code)
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices a caller that leaves only when the body is read
		<-r.Context().Done()
	})
	mux.HandleFunc("/2015-03-31/functions/{name}/invocations", function)
	mux.HandleFunc("/", echo)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Add("Set-Cookie", "a=1")
	w.Header().Add("Set-Cookie", "b=2")
	fmt.Fprintf(w, "%s %s", r.Method, r.URL.RequestURI())
	var names []string
	for name := range r.Header {
		if !slices.Contains([]string{"Accept-Encoding", "Content-Length", "Sec-Websocket-Key", "X-Forwarded-Port", "X-Amzn-Trace-Id", "Forwarded"}, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(w, "; %s: %s", name, strings.Join(r.Header[name], " | "))
	}
	fmt.Fprintf(w, "; body %q", body)
}

func function(w http.ResponseWriter, r *http.Request) {
	event, _ := io.ReadAll(r.Body)
	switch r.PathValue("name") {
	case "crash":
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		fmt.Fprint(w, `{"errorMessage":"the secret reason","errorType":"Error"}`)
	case "junk":
		fmt.Fprint(w, `{"statusCode":"two hundred"}`)
	case "refuse":
		fmt.Fprint(w, `{"statusCode":401,"body":"who are you?"}`)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"statusCode": 200, "body": string(event)})
	}
}
