package event

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport/sallyport/gateway"
)

var update = flag.Bool("update", false, "rewrite the golden samples")

func sampleConnection() *gateway.Connection {
	return &gateway.Connection{
		ID:          "TXzPWdnOjoECGjA=",
		API:         "chat",
		Stage:       "prod",
		ConnectedAt: time.UnixMilli(1708326702789),
		DomainName:  "chat.localhost",
		SourceIP:    "192.0.2.1",
		UserAgent:   `Mozilla/5.0 "quoted" \ ünïcode`,
		Authorizer:  json.RawMessage("{\n  \"principalId\": \"user\"\r\n}"),
	}
}

func sampleRoute(key gateway.RouteKey) RouteInfo {
	return RouteInfo{RouteKey: key, Deployment: "d-1", StageVariables: map[string]string{"backend": "127.0.0.1:3000", "color": "blue"}}
}

func sampleMessage(kind gateway.EventKind) MessageInfo {
	return MessageInfo{Kind: kind, Request: "TXzPWFkkjoEF92g=", Time: time.UnixMilli(1708326702790)}
}

func whole(c *gateway.Connection, r RouteInfo, m MessageInfo) []byte {
	return AppendMessage(AppendRoute(AppendConnection(nil, c), r), m)
}

func samples() map[string][]byte {
	connect := sampleMessage(gateway.EventConnect)
	connect.Query = &QueryInfo{Raw: "room=a&room=b%20c&token="}
	message := sampleMessage(gateway.EventMessage)
	message.MessageID = "Ti89OAAt3vcAAAQ="
	disconnect := sampleMessage(gateway.EventDisconnect)
	disconnect.Disconnect = &gateway.Close{Code: 1005, Reason: "Client-side close frame status not set"}
	bare := sampleConnection()
	bare.UserAgent, bare.Authorizer = "", nil
	return map[string][]byte{
		"connect.json":    whole(sampleConnection(), sampleRoute(gateway.RouteConnect), connect),
		"message.json":    whole(bare, RouteInfo{RouteKey: "sendmessage", Deployment: "d-1"}, message),
		"disconnect.json": whole(sampleConnection(), sampleRoute(gateway.RouteDisconnect), disconnect),
		"request.json": AppendRequest(nil, RequestInfo{
			API: "shop", Stage: "dev", Route: AppendRoute(nil, sampleRoute("POST /orders/{id}")),
			Request: "JCInYgIKPHcEJbQ=", Time: time.UnixMilli(1783711145123), DomainName: "shop.localhost",
			Method: "POST", Path: "/dev/orders/4%202", RawQueryString: "tag=a&tag=b&q=x%20y",
			PathParameters: map[string]string{"id": "4 2"}, SourceIP: "203.0.113.7", UserAgent: "curl/8.5.0", Protocol: "HTTP/1.1",
		}),
	}
}

func TestGoldenSamples(t *testing.T) {
	schema := compileSchema(t)
	for name, got := range samples() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSuffix(string(want), "\n"), string(got)); diff != "" {
				t.Errorf("golden differs (-want +got):\n%s", diff)
			}
			validate(t, schema, got)
			dec := json.NewDecoder(bytes.NewReader(got))
			dec.DisallowUnknownFields()
			var c Context
			if err := dec.Decode(&c); err != nil {
				t.Errorf("the Go type does not know the sample: %v", err)
			}
		})
	}
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("context.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("context.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t testing.TB, s *jsonschema.Schema, b []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("not valid under the schema: %v\n%s", err, b)
	}
}

// TestSchemaEqualsType compares the published schema with the Go type: same members, same types, required exactly where
// the type has no omitempty.
func TestSchemaEqualsType(t *testing.T) {
	var doc schemaNode
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	compareObject(t, "context", reflect.TypeFor[Context](), doc)
}

type schemaNode struct {
	Type                 string                `json:"type"`
	Properties           map[string]schemaNode `json:"properties"`
	Required             []string              `json:"required"`
	Items                *schemaNode           `json:"items"`
	AdditionalProperties *schemaNode           `json:"additionalProperties"`
}

func compareObject(t *testing.T, at string, typ reflect.Type, n schemaNode) {
	t.Helper()
	var required []string
	seen := map[string]bool{}
	for f := range fields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		seen[name] = true
		if options != "omitempty" {
			required = append(required, name)
		}
		p, ok := n.Properties[name]
		if !ok {
			t.Errorf("%s: the schema lacks %q", at, name)
			continue
		}
		compareType(t, at+"."+name, f.Type, p)
	}
	for name := range n.Properties {
		if !seen[name] {
			t.Errorf("%s: the Go type lacks %q", at, name)
		}
	}
	slices.Sort(required)
	slices.Sort(n.Required)
	if diff := cmp.Diff(required, n.Required); diff != "" {
		t.Errorf("%s: required (-type +schema):\n%s", at, diff)
	}
}

func fields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

func compareType(t *testing.T, at string, typ reflect.Type, n schemaNode) {
	t.Helper()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := ""
	switch {
	case typ == reflect.TypeFor[json.RawMessage]():
		want = "object"
	case typ.Kind() == reflect.String:
		want = "string"
	case typ.Kind() == reflect.Int, typ.Kind() == reflect.Int64:
		want = "integer"
	case typ.Kind() == reflect.Struct:
		want = "object"
		compareObject(t, at, typ, n)
	case typ.Kind() == reflect.Map && n.AdditionalProperties != nil:
		want = "object"
		compareType(t, at+".*", typ.Elem(), *n.AdditionalProperties)
	case typ.Kind() == reflect.Slice && n.Items != nil:
		want = "array"
		compareType(t, at+"[]", typ.Elem(), *n.Items)
	}
	if n.Type != want {
		t.Errorf("%s: schema type %q, Go type %v wants %q", at, n.Type, typ, want)
	}
}

func TestContextMeaning(t *testing.T) {
	c, err := Parse(samples()["connect.json"])
	if err != nil {
		t.Fatal(err)
	}
	if c.EventType != KindConnect || c.RouteKey != gateway.RouteConnect || c.MessageDirection != DirectionIn {
		t.Errorf("event type, route, direction: %v %v %v", c.EventType, c.RouteKey, c.MessageDirection)
	}
	if c.RequestID == "" || c.RequestID != c.ExtendedRequestID {
		t.Errorf("requestId %q, extendedRequestId %q", c.RequestID, c.ExtendedRequestID)
	}
	if c.RequestTime != "19/Feb/2024:07:11:42 +0000" || c.RequestTimeEpoch != 1708326702790 {
		t.Errorf("request time %q %d", c.RequestTime, c.RequestTimeEpoch)
	}
	if !c.ConnectedTime().Equal(time.UnixMilli(1708326702789)) {
		t.Errorf("connected at %v", c.ConnectedTime())
	}
	if got := c.QueryStringParameters["room"]; got != "b c" {
		t.Errorf("single value is %q, want the last one, decoded", got)
	}
	if diff := cmp.Diff([]string{"a", "b c"}, c.MultiValueQueryStringParameters["room"]); diff != "" {
		t.Error(diff)
	}
	if string(c.Authorizer) != `{"principalId":"user"}` {
		t.Errorf("authorizer %s", c.Authorizer)
	}
}

func TestAbsentMembers(t *testing.T) {
	got := string(samples()["message.json"])
	for _, name := range []string{"userAgent", "authorizer", "stageVariables", "rawQueryString", "disconnect", "null"} {
		if strings.Contains(got, name) {
			t.Errorf("%s in %s", name, got)
		}
	}
	empty := sampleMessage(gateway.EventDisconnect)
	empty.Disconnect = &gateway.Close{Code: 1001}
	c, err := Parse(whole(sampleConnection(), sampleRoute(gateway.RouteDisconnect), empty))
	if err != nil || c.DisconnectReason == nil || *c.DisconnectReason != "" {
		t.Errorf("an empty reason must be present: %v %v", c.DisconnectReason, err)
	}
}

func TestAuthorizerThatIsNoObject(t *testing.T) {
	for _, raw := range []string{`[1]`, `{"a":`, `"x"`, `{}{}`, `null`, ` `} {
		c := sampleConnection()
		c.Authorizer = json.RawMessage(raw)
		got := whole(c, sampleRoute("x"), sampleMessage(gateway.EventMessage))
		if !json.Valid(got) || bytes.Contains(got, []byte("authorizer")) {
			t.Errorf("authorizer %q gave %s", raw, got)
		}
	}
}

func TestParseRefusesOtherJSON(t *testing.T) {
	for _, b := range []string{"", "[]", `{"connectedAt":"x"}`, `{`} {
		if _, err := Parse([]byte(b)); err == nil {
			t.Errorf("Parse(%q) gave no error", b)
		}
	}
}

func TestRecordJSON(t *testing.T) {
	want := Record{
		Time: time.UnixMilli(1708326702789).UTC(), API: "chat", Stage: "dev", Route: "join", Kind: KindOf(gateway.EventMessage),
		Connection: "TXzPWdnOjoECGjA=", Request: "TXzPWFkkjoEF92g=", Status: 200, Code: gateway.CodeTimeout, Error: "late",
		Latency: 1234567 * time.Nanosecond, BytesIn: 3, BytesOut: 4,
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(`"latencyMs":1.234`)) {
		t.Errorf("no latencyMs in %s", b)
	}
	var got Record
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	want.Latency = 1234 * time.Microsecond
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`{"latencyMs":"x"}`), &got); err == nil {
		t.Error("a latency that is no number was taken")
	}
}

func TestAppendMessageDoesNotAllocate(t *testing.T) {
	prefix := AppendRoute(AppendConnection(nil, sampleConnection()), sampleRoute("join"))
	buf := make([]byte, 0, 2048)
	m := sampleMessage(gateway.EventMessage)
	m.MessageID = "Ti89OAAt3vcAAAQ="
	if n := testing.AllocsPerRun(200, func() { buf = AppendMessage(append(buf[:0], prefix...), m) }); n > 0 {
		t.Errorf("AppendMessage allocates %v times", n)
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	prefix := AppendRoute(AppendConnection(nil, sampleConnection()), sampleRoute("join"))
	buf := make([]byte, 0, 2048)
	m := sampleMessage(gateway.EventMessage)
	m.MessageID = "Ti89OAAt3vcAAAQ="
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendMessage(append(buf[:0], prefix...), m)
	}
}
