package mapping

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport/sallyport/gateway"
)

func TestResponseExpression(t *testing.T) {
	values := ResponseValues{
		Body: []byte(chatBody), Status: 404,
		Header: gateway.Header{"Content-Type": {"text/plain"}, "X-Kind": {"a", "b"}, "x-kind": {"c"}},
	}
	tests := []struct{ name, expression, want string }{
		{"constant", `application/json`, "application/json"},
		{"escaped dollar", `\$default`, "$default"},
		{"status, bare", `$integration.response.statuscode`, "404"},
		{"status, braces", `${integration.response.statuscode}`, "404"},
		{"status in text", `s-${integration.response.statuscode}-x`, "s-404-x"},
		{"header", `$integration.response.header.Content-Type`, "text/plain"},
		{"header, any case", `${integration.response.header.content-TYPE}`, "text/plain"},
		{"header, the last of several", `$integration.response.header.X-Kind`, "c"},
		{"header, missing", `x-$integration.response.header.Nope`, "x-"},
		{"all values", `$integration.response.multivalueheader.X-KIND`, "[a, b, c]"},
		{"all values, one", `$integration.response.multivalueheader.content-type`, "[text/plain]"},
		{"all values, missing", `$integration.response.multivalueheader.Nope`, ""},
		{"body", `$request.body.action`, "join"},
		{"several", `${request.body.service}/$integration.response.statuscode/$integration.response.header.content-type`, "chat/404/text/plain"},
		{"a slash ends a header's name", `$integration.response.header.content-type/x`, "text/plain/x"},
		{"no variable without its dollar", `integration.response.statuscode`, "integration.response.statuscode"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, err := ParseResponseExpression(test.expression)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(e.Eval([]byte("key="), values)); got != "key="+test.want {
				t.Errorf("got %q, want %q behind key=", got, test.want)
			}
		})
	}
	for _, body := range []string{"", "hello", `{"action":`} {
		e, err := ParseResponseExpression(`${request.body.action}-$integration.response.statuscode`)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(e.Eval(nil, ResponseValues{Body: []byte(body), Status: 200})); got != "-200" {
			t.Errorf("over %q: got %q", body, got)
		}
	}
}

func TestParseResponseExpressionErrors(t *testing.T) {
	tests := []struct {
		expression string
		column     int
		problem    string
	}{
		{``, 1, "empty"},
		{`a-$`, 3, "unknown variable $"},
		{`$integration.response.body.a`, 1, "unknown variable $integration.response.body.a"},
		{`$integration.response.status`, 1, "unknown variable"},
		{`$integration.response.statuscode.x`, 1, "unknown variable"},
		{`$integration.response.header.`, 30, "not the name of a header"},
		{`${integration.response.header.a b}`, 31, "not the name of a header"},
		{`${integration.response.multivalueheader.}`, 41, "not the name of a header"},
		{`${integration.response.statuscode`, 1, "brace is not closed"},
		{`$request.body`, 14, "needs the name"},
		{`$request.header.x`, 1, "unknown variable"},
		{strings.Repeat("x", maxExpression+1), 1, "longer than 4096 bytes"},
	}
	for _, test := range tests {
		t.Run(test.expression[:min(len(test.expression), 40)], func(t *testing.T) {
			_, err := ParseResponseExpression(test.expression)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got error %v, want a SyntaxError", err)
			}
			if syntax.Column != test.column || !strings.Contains(syntax.Problem, test.problem) {
				t.Errorf("got column %d, %q; want column %d, %q", syntax.Column, syntax.Problem, test.column, test.problem)
			}
		})
	}
}

// FuzzResponseExpression: nothing panics, and the text behind a constant prefix stays.
func FuzzResponseExpression(f *testing.F) {
	for _, expression := range []string{`$integration.response.statuscode`, `${integration.response.header.a}-\$`, `$integration.response.multivalueheader.a/$request.body.x`, `$request.body[?(@.a =~ /]/)]`, `${`} {
		f.Add(expression, []byte(chatBody), "a", "v")
	}
	f.Fuzz(func(t *testing.T, expression string, body []byte, name, value string) {
		e, err := ParseResponseExpression(expression)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Column < 1 || syntax.Column > utf8.RuneCountInString(expression)+1 {
				t.Fatalf("bad error %#v", err)
			}
			return
		}
		values := ResponseValues{Body: body, Status: 200, Header: gateway.Header{name: {value, value}}}
		if got := e.Eval([]byte("x"), values); len(got) == 0 || got[0] != 'x' {
			t.Fatalf("the prefix is gone: %q", got)
		}
	})
}
