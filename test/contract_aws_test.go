package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/app"
)

// standIn is what an emulator of AWS is: tables that keep items, and functions.
type standIn struct {
	mu    sync.Mutex
	items map[string]string // text by id
	async chan string       // payloads of functions that nobody waits for
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a caller that leaves fails its own test
	scope := map[bool]string{true: "lambda", false: "dynamodb"}[strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/")]
	if !strings.Contains(r.Header.Get("Authorization"), "Credential=local/") || !strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/"+scope+"/aws4_request") {
		http.Error(w, "unsigned", http.StatusForbidden)
		return
	}
	switch {
	case r.Header.Get("X-Amz-Target") == "DynamoDB_20120810.PutItem":
		var put struct {
			Item struct{ ID, Text struct{ S string } }
		}
		if json.Unmarshal(body, &put) != nil || put.Item.Text.S == "" {
			http.Error(w, `{"__type":"ValidationException"}`, http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.items[put.Item.ID.S] = put.Item.Text.S
		fmt.Fprint(w, "{}")
	case scope == "lambda" && !json.Valid(body):
		http.Error(w, `{"__type":"InvalidRequestContentException"}`, http.StatusBadRequest)
	case r.Header.Get("X-Amz-Invocation-Type") == "Event":
		w.WriteHeader(http.StatusAccepted)
		s.async <- string(body)
	case strings.HasSuffix(r.URL.Path, ":function:fails/invocations"):
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		fmt.Fprint(w, `{"errorMessage":"[400] no such room","errorType":"Error"}`)
	case scope == "lambda":
		fmt.Fprintf(w, `{"got":%s}`, body)
	default:
		http.NotFound(w, r)
	}
}

func (s *standIn) item(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items[id]
}

// awsAPI has an AWS integration of each sort.
func awsAPI() string {
	const arn = "arn:aws:apigateway:${stageVariables.region}:"
	function := func(name, more string) string {
		return fmt.Sprintf(`{type: AWS, uri: "%slambda:path/2015-03-31/functions/arn:aws:lambda:${stageVariables.region}:000000000000:function:%s/invocations", %s}`, arn, name, more)
	}
	answers := `responses: {/.*no such room.*/: {responseTemplates: {application/json: "lost: $input.path('$.errorMessage')"}}, $default: {responseTemplates: {application/json: "done: $input.json('$.got')"}}}`
	return socketAPI("chat", "",
		"$connect: {integration: "+function("admits", `requestTemplates: {application/json: '{"id":"$context.connectionId"}'}, responses: {$default: {statusCode: 200}}`)+"}",
		`put: {routeResponse: true, integration: {type: AWS, uri: "`+arn+`dynamodb:action/PutItem", requestTemplates: {application/json: '{"TableName":"t","Item":{"ID":{"S":"$context.requestId"},"Text":{"S":"$input.path(''$.text'')"}}}'}, `+
			`responses: {/4\d\d/: {responseTemplates: {application/json: refused}}, default: {responseTemplates: {application/json: $context.requestId}}}}}`,
		"works: {routeResponse: true, integration: "+function("works", answers)+"}",
		"fails: {routeResponse: true, integration: "+function("fails", answers)+"}",
		`later: {integration: `+function("works", `requestParameters: {integration.request.header.X-Amz-Invocation-Type: "'Event'"}, responses: {default: {}}`)+"}",
		"$default: {routeResponse: true, integration: "+function("works", answers)+"}",
	) + "stages: {dev: {variables: {region: eu-central-1}}}\n"
}

// §7.5, §7.6: service actions and functions, signed and sent to a configured endpoint.
func TestContract75AWS(t *testing.T) {
	t.Parallel()
	service := &standIn{items: map[string]string{}, async: make(chan string, callBuffer)}
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	variables := map[string]string{"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_ENDPOINT_URL_LAMBDA": server.URL, "AWS_ENDPOINT_URL": server.URL}
	g := startGateway(t, map[string]string{"chat.yaml": awsAPI()}, func(c *app.Config) {
		c.Getenv = func(name string) string { return variables[name] }
		c.Environ = func() (all []string) {
			for name, value := range variables {
				all = append(all, name+"="+value)
			}
			return all
		}
	})
	conn := mustDial(t, g, "/chat/dev") // $connect's function answers
	conn.send(`{"action":"put","text":"hello"}`)
	if id := conn.recv(); service.item(id) != "hello" {
		t.Errorf("the item of %q is %q", id, service.item(id))
	}
	for _, c := range []struct{ row, message, reply string }{
		{"an action that is refused", `{"action":"put"}`, "refused"},
		{"a function", `{"action":"works"}`, `done: {"action":"works"}`},
		{"a function that fails", `{"action":"fails"}`, "lost: [400] no such room"},
		{"a payload that is no JSON", "hello", frameInternal},
	} {
		t.Run(c.row, func(t *testing.T) {
			conn.send(c.message)
			if got := steady(conn.recv()); got != c.reply {
				t.Errorf("the client got %q, want %q", got, c.reply)
			}
		})
	}
	conn.send(`{"action":"later"}`)
	if got := <-service.async; got != `{"action":"later"}` {
		t.Errorf("the function got %q", got)
	}
}

// Without credentials nothing is signed: the route is not served, and the log says what is missing.
func TestAWSWithoutCredentials(t *testing.T) {
	t.Parallel()
	definition := strings.Replace(awsAPI(), "$connect: {integration: ", "$disconnect: {integration: ", 1)
	g := startGateway(t, map[string]string{"chat.yaml": definition}, nil)
	g.output.await(t, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	conn := mustDial(t, g, "/chat/dev")
	conn.send(`{"action":"put","text":"hello"}`)
	if got := steady(conn.recv()); got != frameInternal {
		t.Errorf("the client got %q", got)
	}
}
