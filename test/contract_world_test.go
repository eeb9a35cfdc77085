package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// What the tests of the contract's tables have in common. Each file contract_*_test.go goes over some sections of
// contract/websocket-api.md; a test is named by its section, a subtest by its row. Rows that a conformance check
// (conformance_test.go), a transcript or a package's own test proves already are not repeated.

// socketAPI is a definition: further members at its top, then its routes, a line each.
func socketAPI(name, head string, routes ...string) string {
	if !strings.Contains(head, "routeSelectionExpression") {
		head += "routeSelectionExpression: $request.body.action\n"
	}
	return "name: " + name + "\nprotocolType: WEBSOCKET\n" + head + "routes:\n  " + strings.Join(routes, "\n  ") + "\n"
}

// mockRoute is a route that answers with that text, or with what the template makes of the message.
func mockRoute(key, text string) string {
	return fmt.Sprintf(`%q: {routeResponse: true, integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}, `+
		`responses: {default: {responseTemplates: {application/json: '%s'}}}}}`, key, text)
}

// whoRoute answers with the connection's id.
var whoRoute = mockRoute("who", "$context.connectionId")

// who asks for the connection's id.
func (d *dialled) who() gateway.ConnectionID {
	d.t.Helper()
	d.send(`{"action":"who"}`)
	id, err := gateway.ParseConnectionID(d.recv())
	if err != nil {
		d.t.Fatal(err)
	}
	return id
}

// on is a function as an integration, in YAML.
func (l *lambdas) on(name string) string { return "{type: LAMBDA, uri: " + l.uri(name) + "}" }

// awaitOf waits for a function's first event of a connection that has this type.
func (l *lambdas) awaitOf(t *testing.T, name string, id gateway.ConnectionID, eventType string) map[string]any {
	t.Helper()
	var found map[string]any
	eventually(t, name+" of "+string(id), func() error {
		for _, event := range l.of(name) {
			if member(event, "requestContext", "connectionId") == string(id) && member(event, "requestContext", "eventType") == eventType {
				found = event
				return nil
			}
		}
		return fmt.Errorf("no %s came", eventType)
	})
	return found
}

// backendCall is a request that an HTTP backend got.
type backendCall struct {
	method, host, uri, body string
	header                  http.Header
}

// callBuffer is more calls than any test makes before it looks at them.
const callBuffer = 100

// recordingBackend keeps its calls. /answer/NNN… answers with that status and the request's body, /bytes with bytes
// that are no text, /hang when the caller has gone.
func recordingBackend(t *testing.T) (url string, calls chan backendCall) {
	calls = make(chan backendCall, callBuffer)
	keep := func(r *http.Request) []byte {
		body, _ := io.ReadAll(r.Body) // a caller that leaves fails its own test
		calls <- backendCall{r.Method, r.Host, r.URL.RequestURI(), string(body), r.Header}
		return body
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/answer/{status}/", func(w http.ResponseWriter, r *http.Request) {
		body := keep(r)
		status, _ := strconv.Atoi(r.PathValue("status"))
		w.Header().Set("Content-Type", "text/x-test")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		keep(r)
		_, _ = w.Write([]byte("\xff\x00bytes"))
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		keep(r)
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, calls
}

// nextCall waits for a request to the backend.
func nextCall(t *testing.T, calls <-chan backendCall) backendCall {
	t.Helper()
	select {
	case c := <-calls:
		return c
	case <-time.After(patience):
		t.Fatal("the backend was not called")
	}
	return backendCall{}
}

// exchange sends a request byte for byte and returns the answer with its body. The lines of head are without their ends.
func exchange(t *testing.T, g *stageGateway, head ...string) (*http.Response, string) {
	t.Helper()
	nc, err := net.Dial("tcp", g.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(nc, strings.Join(head, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		return response, "" // what follows are frames
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// upgrade is the head of a handshake to path, with more lines behind it.
func upgrade(g *stageGateway, path string, lines ...string) []string {
	return append([]string{
		"GET " + path + " HTTP/1.1", "Host: " + g.Data, "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, lines...)
}
