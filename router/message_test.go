package router

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

func TestMessage(t *testing.T) {
	full := mustCompile(t, websocketAPI("$connect", "$disconnect", "$default", "join", "Join", "7", "[a, b]", gateway.RouteKey(strings.Repeat("k", 1000))), "dev")
	bare := mustCompile(t, websocketAPI("$connect", "$disconnect", "join"), "dev")
	tests := []struct {
		name, body string
		want       gateway.RouteKey
		wantBare   gateway.RouteKey // of the API without $default
	}{
		{"custom route", `{"action":"join"}`, "join", "join"},
		{"white space around", " {\"action\" : \"join\"}\n", "join", "join"},
		{"case counts", `{"action":"Join"}`, "Join", "-"},
		{"unknown", `{"action":"leave"}`, "$default", "-"},
		{"missing", `{"x":1}`, "$default", "-"},
		{"null", `{"action":null}`, "$default", "-"},
		{"number", `{"action":7}`, "7", "-"},
		{"list", `{"action":["a","b"]}`, "[a, b]", "-"},
		{"longer than the buffer", `{"action":"` + strings.Repeat("k", 1000) + `"}`, gateway.RouteKey(strings.Repeat("k", 1000)), "-"},
		{"text", `join`, "$default", "-"},
		{"empty", ``, "$default", "-"},
		{"half JSON with the route in it", `{"action":"join"`, "$default", "-"},
		{"JSON and more", `{"action":"join"} x`, "$default", "-"},
		{"too deep", `{"action":"join","x":` + strings.Repeat("[", mapping.MaxDepth) + strings.Repeat("]", mapping.MaxDepth) + `}`, "$default", "-"},
		{"a client can't connect by a message", `{"action":"$connect"}`, "$default", "-"},
		{"nor disconnect", `{"action":"$disconnect"}`, "$default", "-"},
		{"naming $default", `{"action":"$default"}`, "$default", "-"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, one := range []struct {
				program *Program
				want    gateway.RouteKey
			}{{full, test.want}, {bare, test.wantBare}} {
				r, err := one.program.Message([]byte(test.body))
				if keyOf(r) != one.want {
					t.Errorf("got route %q, want %q", keyOf(r), one.want)
				}
				if (err == nil) != (r != nil) || err != nil && gateway.ErrorCode(err) != gateway.CodeForbidden {
					t.Errorf("got error %v", err)
				}
			}
		})
	}
}

func TestMessageExpressions(t *testing.T) {
	api := websocketAPI("$default", "chat/join", "join-", "fixed")
	tests := []struct {
		expression, body string
		want             gateway.RouteKey
	}{
		{"${request.body.service}/${request.body.action}", `{"service":"chat","action":"join"}`, "chat/join"},
		{"${request.body.action}-${request.body.missing}", `{"action":"join"}`, "join-"},
		{"fixed", `{}`, "fixed"},
		{"fixed", `not JSON`, "$default"},
		{`\$default`, `{}`, "$default"},
		{`\$connect`, `{}`, "$default"},
	}
	for _, test := range tests {
		api.RouteSelectionExpression = test.expression
		r, err := mustCompile(t, api, "dev").Message([]byte(test.body))
		if err != nil || r.Key() != test.want {
			t.Errorf("%s over %s: got %q, %v; want %q", test.expression, test.body, keyOf(r), err, test.want)
		}
	}
}

func TestMessageDoesNotAllocate(t *testing.T) {
	p := mustCompile(t, websocketAPI("$default", "join"), "dev")
	for _, body := range []string{`{"action":"join","text":"hello"}`, `{"action":"other"}`, `hello`} {
		bytes := []byte(body)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := p.Message(bytes); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations, want none", body, n)
		}
	}
}

func BenchmarkMessage(b *testing.B) {
	p := mustCompile(b, websocketAPI("$connect", "$disconnect", "$default", "join", "leave", "send"), "dev")
	body := []byte(`{"action":"send","room":"room1234","text":"How much wood would a woodchuck chuck?"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := p.Message(body); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzMessage: whatever a client sends, it gets a route that messages can have or CodeForbidden.
func FuzzMessage(f *testing.F) {
	for _, body := range []string{`{"action":"join"}`, `{"action":"$connect"}`, `{"action":["$connect"]}`, `[`, `"`, `{"action":{"a":[]}}`, ``} {
		f.Add([]byte(body))
	}
	p := mustCompile(f, websocketAPI("$connect", "$disconnect", "join"), "dev")
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := p.Message(body)
		switch {
		case err == nil && r.Key() == "join":
		case r == nil && gateway.ErrorCode(err) == gateway.CodeForbidden:
		default:
			t.Fatalf("got %q, %v", keyOf(r), err)
		}
	})
}
