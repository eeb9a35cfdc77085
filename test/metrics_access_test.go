package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

const guardedChat = `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
allowOrigins: ["https://chat.example.com"]
postDuringConnect: hold
authorizers:
  users: {type: JWT, identitySource: [route.request.querystring.token], jwtConfiguration: {issuer: "{issuer}", audience: [chat]}}
apiKeys: [{name: partner, value: secret-of-the-partner, throttle: {rateLimit: 0.001, burstLimit: 3}}]
routes:
  $connect:
    authorizer: users
    authorizationScopes: [chat]
    apiKeyRequired: true
    requestParameters: {route.request.querystring.room: {required: true}}
    integration: {type: NATS}
  $refresh: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}}}
  once: {routeResponse: true, integration: {type: NATS}}
  late: {routeResponse: true, integration: {type: NATS}}
  long: {routeResponse: true, integration: {type: NATS}}
stages:
  dev:
    throttle: {rateLimit: 1000, burstLimit: 1000}
    routeSettings: {once: {throttle: {rateLimit: 0.001, burstLimit: 1}}}
`

// wantGuarded are the counts after the sequence of TestMetricsOfAccess, those of integrations and callbacks apart.
const wantGuarded = `
sallyport_authorizer_duration_seconds_count{error_type="unauthorized",sallyport_api="chat",sallyport_authorizer_name="users",sallyport_stage="dev"} 1
sallyport_authorizer_duration_seconds_count{sallyport_api="chat",sallyport_authorizer_name="users",sallyport_stage="dev"} 6
sallyport_deflate_connections_total{sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_disconnects_total{sallyport_api="chat",sallyport_disconnect_cause="client",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{error_type="4xx",sallyport_api="chat",sallyport_integration_type="NATS",sallyport_route="$connect",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{error_type="4xx",sallyport_api="chat",sallyport_integration_type="NATS",sallyport_route="late",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{error_type="5xx",sallyport_api="chat",sallyport_integration_type="NATS",sallyport_route="once",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{sallyport_api="chat",sallyport_integration_type="NATS",sallyport_route="$connect",sallyport_stage="dev"} 1
sallyport_event_duration_seconds_count{sallyport_api="chat",sallyport_integration_type="NATS",sallyport_route="long",sallyport_stage="dev"} 1
sallyport_event_failures_total{error_type="4xx",sallyport_api="chat",sallyport_integration_type="NATS",sallyport_route="late",sallyport_stage="dev"} 1
sallyport_event_failures_total{error_type="forbidden",sallyport_api="chat",sallyport_route="$refresh",sallyport_stage="dev"} 1
sallyport_event_failures_total{error_type="throttled",sallyport_api="chat",sallyport_route="once",sallyport_stage="dev"} 1
sallyport_event_failures_total{error_type="unauthorized",sallyport_api="chat",sallyport_route="$refresh",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="101",sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="400",sallyport_api="chat",sallyport_handshake_refused_by="parameters",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="401",sallyport_api="chat",sallyport_handshake_refused_by="authorizer",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="401",sallyport_api="chat",sallyport_handshake_refused_by="identity",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="403",sallyport_api="chat",sallyport_handshake_refused_by="api_key",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="403",sallyport_api="chat",sallyport_handshake_refused_by="integration",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="403",sallyport_api="chat",sallyport_handshake_refused_by="scopes",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="403",sallyport_api="chat",sallyport_handshake_refused_by="upgrade",sallyport_stage="dev"} 1
sallyport_handshakes_total{http_response_status_code="429",sallyport_api="chat",sallyport_handshake_refused_by="api_key",sallyport_stage="dev"} 1
sallyport_held_posts_total{error_type="gone",sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_held_posts_total{sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_refreshes_total{error_type="forbidden",sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_refreshes_total{error_type="unauthorized",sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_refreshes_total{sallyport_api="chat",sallyport_stage="dev"} 1
sallyport_throttled_total{sallyport_api="chat",sallyport_route="$connect",sallyport_stage="dev",sallyport_throttle_scope="key"} 1
sallyport_throttled_total{sallyport_api="chat",sallyport_route="once",sallyport_stage="dev",sallyport_throttle_scope="route"} 1
`

// wantFigures are CloudWatch's figures after that sequence, by the words of docs/observability.md.
var wantFigures = map[string]int{
	"ConnectCount":            2, // one that came in, and one that the backend refused
	"MessageCount":            9, // the client's 7, an answer, and the push that was held
	"IntegrationError":        3, // $connect's 403, once's 500, late's bad_request
	"ClientError, messages":   3,
	"ClientError, handshakes": 7,
	"ExecutionError":          0,
	"IntegrationLatency, p99": 5, // how many were measured
}

// TestMetricsOfAccess plays clients that are refused at each step, and one that comes in, and reads the counts.
func TestMetricsOfAccess(t *testing.T) {
	issuer, token := tokenIssuer(t)
	g := startGateway(t, map[string]string{"chat.yaml": strings.ReplaceAll(guardedChat, "{issuer}", issuer.URL)}, nil)
	serveGuarded(t, g)

	good := token(nil)
	key := http.Header{"X-Api-Key": {"secret-of-the-partner"}}
	for _, c := range []struct {
		query  string
		header http.Header
		want   int
	}{
		{"?token=" + good, http.Header{"Origin": {"https://evil.example.com"}}, 403},
		{"", key, 401},
		{"?token=" + marker, key, 401},
		{"?token=" + token(map[string]any{"scope": "shop"}), key, 403},
		{"?token=" + good, nil, 403},
		{"?token=" + good, key, 400},                     // the first of three with the key
		{"?token=" + good + "&room=closed", key, 403},    // the second
		{"?token=" + good + "&room=" + marker, key, 101}, // the third
		{"?token=" + good + "&room=1", key, 429},
	} {
		conn, status := knockDeflated(t, g, "/chat/dev"+c.query, c.header)
		if status != c.want {
			t.Fatalf("%s: %d, want %d", c.query, status, c.want)
		}
		if conn != nil {
			useGuarded(t, conn, token)
		}
	}

	text := awaitGuarded(t, g)
	if strings.Contains(text, marker) {
		t.Error("a client chose a label")
	}
	plain, small := sum(t, text, `sallyport_deflate_bytes_total{sallyport_direction="out",sallyport_deflate_form="plain"}`),
		sum(t, text, `sallyport_deflate_bytes_total{sallyport_direction="out",sallyport_deflate_form="compressed"}`)
	if plain != 4000 || small <= 0 || small > 400 {
		t.Errorf("%d bytes were compressed to %d", plain, small)
	}
	checkFigures(t, text)
}

// serveGuarded is the backend: it greets its client inside $connect, also one that it then refuses.
func serveGuarded(t *testing.T, g *stageGateway) {
	t.Helper()
	reply := func(status, body string) *nats.Msg {
		return &nats.Msg{Header: nats.Header{"Sallyport-Status": {status}}, Data: []byte(body)}
	}
	for subject, answer := range map[string]func(*nats.Msg) *nats.Msg{
		"$connect": func(m *nats.Msg) *nats.Msg {
			var c struct{ ConnectionID string }
			if err := json.Unmarshal([]byte(m.Header.Get("Sallyport-Context")), &c); err != nil {
				return reply("500", "")
			}
			if _, err := g.nats.Request("sallyport.chat.dev.@connections."+c.ConnectionID, []byte("welcome"), patience); err != nil {
				return reply("500", "")
			}
			if strings.Contains(m.Header.Get("Sallyport-Context"), "closed") {
				return reply("403", "")
			}
			return reply("200", "")
		},
		"once": func(*nats.Msg) *nats.Msg { return reply("500", "") },
		"late": func(*nats.Msg) *nats.Msg {
			return &nats.Msg{Header: nats.Header{"Sallyport-Error": {"bad_request"}}}
		},
		"long": func(*nats.Msg) *nats.Msg { return reply("200", strings.Repeat("long ", 800)) },
	} {
		if _, err := g.nats.QueueSubscribe("sallyport.chat.dev.ws."+subject, "mine", func(m *nats.Msg) { _ = m.RespondMsg(answer(m)) }); err != nil {
			t.Fatal(err) // and a lost answer fails what waits for it
		}
	}
	if err := g.nats.Flush(); err != nil {
		t.Fatal(err)
	}
}

// knockDeflated is knock by a client that compresses.
func knockDeflated(t *testing.T, g *stageGateway, path string, header http.Header) (*dialled, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, "ws://"+g.Data+path,
		&websocket.DialOptions{HTTPHeader: header, CompressionMode: websocket.CompressionNoContextTakeover})
	if err != nil {
		if response == nil {
			t.Fatal(err)
		}
		return nil, response.StatusCode
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &dialled{conn, t, response}, http.StatusSwitchingProtocols
}

// useGuarded is the client that came in.
func useGuarded(t *testing.T, conn *dialled, token func(map[string]any) string) {
	t.Helper()
	if got := conn.recv(); got != "welcome" {
		t.Fatalf("the first message is %q", got)
	}
	for _, c := range []struct{ say, want string }{
		{`{"action":"long"}`, "long long "},
		{`{"action":"once"}`, ""},
		{`{"action":"once"}`, `{"message": "Too Many Requests"`},
		{`{"action":"late"}`, `{"message": "Bad request`},
		{`{"action":"$refresh","token":"junk"}`, `{"message": "Unauthorized"`},
		{`{"action":"$refresh","token":"` + token(map[string]any{"sub": "eve"}) + `"}`, `{"message": "Forbidden"`},
		{`{"action":"$refresh","token":"` + token(nil) + `"}`, ""},
	} {
		conn.send(c.say)
		if c.want == "" {
			continue // nothing comes back
		}
		if got := conn.recv(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%.40s: got %.60s, want %s", c.say, got, c.want)
		}
	}
	_ = conn.Close(websocket.StatusNormalClosure, "") // is counted, or the counts differ
}

// awaitGuarded returns the metrics once they are the wanted ones.
func awaitGuarded(t *testing.T, g *stageGateway) string {
	t.Helper()
	var text string
	eventually(t, "the counts", func() error {
		text = scrape(t, g)
		lines := slices.DeleteFunc(strings.SplitAfter(series(text), "\n"), func(line string) bool {
			for _, other := range []string{"callbacks", "connections{", "deflate_bytes", "integration_", "messages"} {
				if strings.HasPrefix(line, "sallyport_"+other) {
					return true
				}
			}
			return false
		})
		if diff := cmp.Diff(strings.Split(wantGuarded, "\n"), strings.Split("\n"+strings.Join(lines, ""), "\n")); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}
		return nil
	})
	return text
}

var selectorForm = regexp.MustCompile(`[a-z_]+\{[^}]*\}`)

// checkFigures evaluates the queries of the document: their sums, without the rates.
func checkFigures(t *testing.T, text string) {
	t.Helper()
	rows := tables(strings.ReplaceAll(readDocument(t, observability), `\|`, "¦"), "| CloudWatch | counts | PromQL |")
	if len(rows) != len(wantFigures) {
		t.Errorf("the document has %d figures", len(rows))
	}
	for _, row := range rows {
		want, known := wantFigures[row[0]]
		total := 0
		selectors := selectorForm.FindAllString(row[2], -1)
		for _, s := range selectors {
			total += sum(t, text, strings.ReplaceAll(strings.Replace(s, "_bucket{", "_count{", 1), "¦", "|"))
		}
		if !known || len(selectors) == 0 || total != want {
			t.Errorf("%s is %d, want %d: %s", row[0], total, want, row[2])
		}
	}
}

var matcherForm = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)

// sum adds the series of a selector up, as PromQL selects them.
func sum(t *testing.T, text, selector string) int {
	t.Helper()
	name, matchers, _ := strings.Cut(selector, "{")
	total := 0
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+"{")
		if !ok {
			continue
		}
		have := map[string]string{}
		for _, label := range matcherForm.FindAllStringSubmatch(rest, -1) {
			have[label[1]] = label[3]
		}
		if !selects(t, matcherForm.FindAllStringSubmatch(matchers, -1), have) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			t.Fatal(line, err)
		}
		total += int(value)
	}
	return total
}

func selects(t *testing.T, matchers [][]string, have map[string]string) bool {
	t.Helper()
	for _, m := range matchers {
		pattern := m[3]
		if m[2] == "=" || m[2] == "!=" {
			pattern = regexp.QuoteMeta(pattern)
		}
		matched, err := regexp.MatchString("^(?:"+pattern+")$", have[m[1]])
		if err != nil {
			t.Fatal(err)
		}
		if matched == strings.HasPrefix(m[2], "!") {
			return false
		}
	}
	return true
}
