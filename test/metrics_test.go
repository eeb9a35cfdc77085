package test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

const (
	measuredChat = `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}}}
  ask: {routeResponse: true, integration: {type: HTTP_PROXY, httpMethod: POST, uri: "{backend}/echo"}}
  break: {routeResponse: true, integration: {type: HTTP_PROXY, httpMethod: POST, uri: "{backend}/status/500"}}
  away: {routeResponse: true, integration: {type: HTTP_PROXY, httpMethod: POST, uri: "http://127.0.0.1:1/"}}
  work: {integration: {type: HTTP_PROXY, httpMethod: POST, uri: "{backend}/status/404"}}
  tell: {integration: {type: NATS}}
  lonely: {integration: {type: NATS}}
`
	measuredShop = `
name: shop
protocolType: HTTP
routes:
  GET /pets/{id}: {integration: {type: HTTP_PROXY, httpMethod: GET, uri: "{backend}/echo"}}
  GET /nobody: {integration: {type: NATS}}
stages: {dev: {}}
`
)

// wantSeries are all counters, gauges and histogram counts after the sequence of TestMetrics.
const wantSeries = `
http_server_request_duration_seconds_count{error_type="not_found",http_request_method="_OTHER",http_response_status_code="404",sallyport_api="shop",sallyport_stage="dev",url_scheme="http"} 1
http_server_request_duration_seconds_count{error_type="unavailable",http_request_method="GET",http_response_status_code="503",http_route="/nobody",sallyport_api="shop",sallyport_route="GET /nobody",sallyport_stage="dev",url_scheme="http"} 1
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/pets/{id}",sallyport_api="shop",sallyport_route="GET /pets/{id}",sallyport_stage="dev",url_scheme="http"} 2
sallyport_callbacks_total{error_type="gone",sallyport_callback_method="POST"} 2
sallyport_callbacks_total{sallyport_api="chat",sallyport_callback_method="DELETE",sallyport_stage="dev"} 1
sallyport_callbacks_total{sallyport_api="chat",sallyport_callback_method="GET",sallyport_stage="dev"} 1
sallyport_callbacks_total{sallyport_api="chat",sallyport_callback_method="POST",sallyport_stage="dev"} 3
sallyport_connections{sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_disconnects_total{sallyport_api="chat",sallyport_disconnect_cause="callback",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{error_type="unavailable",sallyport_api="chat",sallyport_route="away",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{error_type="unavailable",sallyport_api="shop",sallyport_route="GET /nobody",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{sallyport_api="chat",sallyport_route="$connect",sallyport_stage="dev"} 2
sallyport_event_duration_seconds_count{sallyport_api="chat",sallyport_route="ask",sallyport_stage="dev"} 3
sallyport_event_duration_seconds_count{sallyport_api="chat",sallyport_route="break",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{sallyport_api="shop",sallyport_route="GET /pets/{id}",sallyport_stage="dev"} 2
sallyport_event_failures_total{error_type="forbidden",sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_event_failures_total{error_type="unavailable",sallyport_api="chat",sallyport_route="away",sallyport_stage="dev"} 1
sallyport_event_failures_total{error_type="unavailable",sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="101",sallyport_api="chat",sallyport_stage="dev"} 2
sallyport_handshakes_total{http_response_status_code="403",sallyport_handshake_refused_by="address"} 1
sallyport_integration_duration_seconds_count{error_type="4xx",sallyport_api="chat",sallyport_integration_type="HTTP_PROXY",sallyport_route="work",sallyport_stage="dev"} 1
sallyport_integration_duration_seconds_count{error_type="5xx",sallyport_api="chat",sallyport_integration_type="HTTP_PROXY",sallyport_route="break",sallyport_stage="dev"} 1
sallyport_integration_duration_seconds_count{error_type="unavailable",sallyport_api="chat",sallyport_integration_type="HTTP_PROXY",sallyport_route="away",sallyport_stage="dev"} 1
sallyport_integration_duration_seconds_count{sallyport_api="chat",sallyport_integration_type="HTTP_PROXY",sallyport_route="ask",sallyport_stage="dev"} 3
sallyport_integration_duration_seconds_count{sallyport_api="chat",sallyport_integration_type="MOCK",sallyport_route="$connect",sallyport_stage="dev"} 2
sallyport_integration_duration_seconds_count{sallyport_api="shop",sallyport_integration_type="HTTP_PROXY",sallyport_route="GET /pets/{id}",sallyport_stage="dev"} 2
sallyport_messages_total{sallyport_api="chat",sallyport_direction="in",sallyport_route="ask",sallyport_stage="dev"} 3
sallyport_messages_total{sallyport_api="chat",sallyport_direction="in",sallyport_route="away",sallyport_stage="dev"} 1
sallyport_messages_total{sallyport_api="chat",sallyport_direction="in",sallyport_route="break",sallyport_stage="dev"} 1
sallyport_messages_total{sallyport_api="chat",sallyport_direction="in",sallyport_route="lonely",sallyport_stage="dev"} 1
sallyport_messages_total{sallyport_api="chat",sallyport_direction="in",sallyport_route="tell",sallyport_stage="dev"} 2
sallyport_messages_total{sallyport_api="chat",sallyport_direction="in",sallyport_route="work",sallyport_stage="dev"} 1
sallyport_messages_total{sallyport_api="chat",sallyport_direction="in",sallyport_stage="dev"} 1
sallyport_messages_total{sallyport_api="chat",sallyport_direction="out",sallyport_route="ask",sallyport_stage="dev"} 3
sallyport_messages_total{sallyport_api="chat",sallyport_direction="out",sallyport_route="break",sallyport_stage="dev"} 1
sallyport_messages_total{sallyport_api="chat",sallyport_direction="out",sallyport_stage="dev"} 3
`

// TestMetrics plays a known sequence and reads its exact counts from /metrics. Everything that a client may choose has
// the marker in it, so that no label can come from a client.
func TestMetrics(t *testing.T) {
	backend := httpBackend(t)
	g := startGateway(t, map[string]string{
		"chat.yaml": strings.ReplaceAll(measuredChat, "{backend}", backend),
		"shop.yaml": strings.ReplaceAll(measuredShop, "{backend}", backend),
	}, nil)
	told := serveSubject(t, g.nats, "sallyport.chat.dev.ws.tell", nil)

	u := dialSecretly(t, g, "/chat/dev")
	u.say(`{"action":"tell"}`)
	_, c := next(t, told)
	for range 3 {
		u.say(`{"action":"ask","text":"` + marker + `"}`)
		u.hear()
	}
	u.say(`{"action":"tell"}`)
	next(t, told)
	u.say(`{"action":"break"}`)
	u.hears("status 500")
	u.say(`{"action":"away"}`)
	u.hears(frameInternal)
	u.say(`{"action":"` + marker + `"}`)
	u.hears(`{"message": "Forbidden", "connectionId":"<id>", "requestId":"<id>"}`)
	u.say(`{"action":"lonely"}`)
	u.hears(frameInternal)
	u.say(`{"action":"work"}`) // one-way: nobody hears of the backend's 404

	second := dialSecretly(t, g, "/chat/dev")
	if _, status, err := tryDial(t, g.Data, "/"+marker+"/dev"); status != http.StatusForbidden {
		t.Fatal(status, err)
	}
	address := callbackURL(g.Data, "chat/dev", c.ConnectionID)
	for _, body := range []string{"one", "two"} {
		call(t, http.MethodPost, address, body)
		u.hears(body)
	}
	if _, err := g.nats.Request("sallyport.chat.dev.@connections."+string(c.ConnectionID), []byte("three"), patience); err != nil {
		t.Fatal(err)
	}
	u.hears("three")
	call(t, http.MethodGet, address, "")
	for _, gone := range []gateway.ConnectionID{c.ConnectionID[:4] + "AAAAAAAAAAA=", "AAAAAAAAAAAAAAA="} { // ours, and nobody's
		if got := call(t, http.MethodPost, callbackURL(g.Data, "chat/dev", gone), "x"); got != "410 GoneException" {
			t.Fatal(got)
		}
	}
	call(t, http.MethodDelete, address, "")
	u.closed()

	for _, request := range []string{"GET /shop/dev/pets/1", "GET /shop/dev/pets/" + marker, "GET /shop/dev/nobody", marker + " /shop/dev/" + marker} {
		method, path, _ := strings.Cut(request, " ")
		call(t, method, "http://"+g.Data+path+"?"+marker, "")
	}

	// What is counted last may still be under way when its client has the answer.
	eventually(t, "the counts", func() error {
		if diff := cmp.Diff(strings.Split(wantSeries, "\n"), strings.Split("\n"+series(scrape(t, g)), "\n")); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}
		return nil
	})
	text := scrape(t, g)
	if strings.Contains(text, marker) {
		t.Error("a client chose a label")
	}
	if strings.Contains(text, "otel_scope") {
		t.Error("series have scope labels")
	}
	for metric, bounds := range map[string]string{
		"http_server_request_duration_seconds": "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf",
		"sallyport_event_duration_seconds":     "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 +Inf",
	} {
		if got := buckets(text, metric); got != bounds {
			t.Errorf("%s has the buckets %s, want %s", metric, got, bounds)
		}
	}
	_ = second.conn.CloseNow()
	eventually(t, "no connection", func() error {
		if text := scrape(t, g); !strings.Contains(text, `sallyport_connections{sallyport_api="chat",sallyport_stage="dev"} 0`) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
}

// scrape reads /metrics as Prometheus does.
func scrape(t *testing.T, g *stageGateway) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	return string(text)
}

// series returns the lines of our own metrics whose values are exact, sorted.
func series(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "{")
		ours := strings.HasPrefix(name, "sallyport_") || strings.HasPrefix(name, "http_server_")
		if ours && !strings.HasSuffix(name, "_bucket") && !strings.HasSuffix(name, "_sum") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

var bucketForm = regexp.MustCompile(`_bucket\{.*le="([^"]*)"`)

// buckets returns the bounds of a histogram's first series.
func buckets(text, metric string) string {
	var bounds []string
	for line := range strings.Lines(text) {
		m := bucketForm.FindStringSubmatch(line)
		if !strings.HasPrefix(line, metric+"_bucket") || m == nil {
			continue
		}
		if slices.Contains(bounds, m[1]) {
			break
		}
		bounds = append(bounds, m[1])
	}
	return strings.Join(bounds, " ")
}
