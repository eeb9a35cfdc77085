package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// function is a Lambda function of a test. An error becomes a function error with its text.
type lambdaFunction func(event map[string]any) (result any, err error)

// lambdas serves functions by name and keeps the events that they got.
type lambdas struct {
	URL string

	mu     sync.Mutex
	events map[string][]map[string]any
}

func startLambdas(t *testing.T, functions map[string]lambdaFunction) *lambdas {
	l := &lambdas{events: map[string][]map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) {
		var event map[string]any
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		name := r.PathValue("name")
		l.mu.Lock()
		l.events[name] = append(l.events[name], event)
		l.mu.Unlock()
		result, err := functions[name](event)
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			result = map[string]any{"errorMessage": err.Error(), "errorType": "Error"}
		}
		if err := json.NewEncoder(w).Encode(result); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	l.URL = server.URL
	return l
}

// of returns the events that a function got.
func (l *lambdas) of(name string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events[name])
}

// awaitEvent waits for the n-th event of a function.
func (l *lambdas) awaitEvent(t *testing.T, name string, n int) map[string]any {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		if events := l.of(name); len(events) >= n {
			return events[n-1]
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s got %d events, not %d", name, len(l.of(name)), n)
		}
	}
}

// uri is where a function is invoked, for a definition.
func (l *lambdas) uri(name string) string {
	return fmt.Sprintf("%q", l.URL+"/2015-03-31/functions/"+name+"/invocations")
}
