package proxy

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

func request() *gateway.Event { return &gateway.Event{Kind: gateway.EventRequest} }

func webSocket(kind gateway.EventKind, expect gateway.Expect) *gateway.Event {
	return &gateway.Event{Kind: kind, Expect: expect}
}

const plain = "text/plain; charset=utf-8"

func TestResult(t *testing.T) {
	connect := webSocket(gateway.EventConnect, gateway.ExpectReply)
	twoWay := webSocket(gateway.EventMessage, gateway.ExpectReply)
	oneWay := webSocket(gateway.EventMessage, gateway.ExpectAck)
	silent := webSocket(gateway.EventMessage, gateway.ExpectNothing)
	disconnect := webSocket(gateway.EventDisconnect, gateway.ExpectAck)
	for _, test := range []struct {
		name    string
		ev      *gateway.Event
		version string
		payload string
		want    *gateway.Reply // nil: CodeIntegration
	}{
		{"connect", connect, "", `{"statusCode":201,"headers":{"Sec-Websocket-Protocol":"chat"}}`,
			&gateway.Reply{Status: 201, Header: gateway.Header{"Sec-Websocket-Protocol": {"chat"}}, Body: []byte{}}},
		{"connect refused", connect, "", `{"statusCode":401,"body":"no"}`, &gateway.Reply{Status: 401, Header: gateway.Header{}, Body: []byte("no")}},
		{"connect null", connect, "", `null`, nil},
		{"connect without a status", connect, "", `{"body":"x"}`, nil},
		{"two-way", twoWay, "", `{"statusCode":500,"body":"hi ü"}`, &gateway.Reply{Status: 500, Header: gateway.Header{}, Body: []byte("hi ü")}},
		{"two-way base64 text", twoWay, "1.0", `{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}`,
			&gateway.Reply{Status: 200, Header: gateway.Header{}, Body: []byte("hi")}},
		{"two-way base64 bytes", twoWay, "", `{"statusCode":200,"isBase64Encoded":true,"body":"/w=="}`,
			&gateway.Reply{Status: 200, Header: gateway.Header{}, Body: []byte{0xff}, Binary: true}},
		{"two-way null", twoWay, "", ` null `, nil},
		{"two-way nothing", twoWay, "", ``, nil},
		{"two-way text", twoWay, "", `"hi"`, nil},
		{"one-way null", oneWay, "", `null`, &gateway.Reply{Status: 200}},
		{"one-way nothing", silent, "", ``, &gateway.Reply{Status: 200}},
		{"one-way malformed", oneWay, "", `"ok"`, nil},
		{"disconnect junk", disconnect, "", `junk`, &gateway.Reply{Status: 200}},

		{"2.0", request(), "", `{"statusCode":201,"headers":{"X-A":"1","Set-Cookie":"z=9"},"cookies":["a=1","b=2"],"body":"x","more":[1]}`,
			&gateway.Reply{Status: 201, Header: gateway.Header{"X-A": {"1"}, "set-cookie": {"a=1", "b=2", "z=9"}, "content-type": {plain}}, Body: []byte("x")}},
		{"2.0 own content type", request(), "2.0", `{"statusCode":200,"headers":{"Content-Type":"text/html"},"multiValueHeaders":{"a":["b"]}}`,
			&gateway.Reply{Status: 200, Header: gateway.Header{"Content-Type": {"text/html"}}, Body: []byte{}}},
		{"2.0 base64", request(), "", `{"statusCode":200,"isBase64Encoded":true,"body":"AP8="}`,
			&gateway.Reply{Status: 200, Header: gateway.Header{"content-type": {plain}}, Body: []byte{0, 0xff}}},
		{"2.0 nulls", request(), "", `{"statusCode":204,"headers":null,"cookies":null,"body":null,"isBase64Encoded":null}`,
			&gateway.Reply{Status: 204, Header: gateway.Header{"content-type": {plain}}, Body: []byte{}}},
		{"2.0 inferred object", request(), "", `{"a": 1}`, inferredReply(`{"a": 1}`)},
		{"2.0 other case", request(), "", `{"StatusCode":404}`, inferredReply(`{"StatusCode":404}`)},
		{"2.0 inferred string", request(), "", `"a \"b\""`, inferredReply(`a "b"`)},
		{"2.0 inferred number", request(), "", `42`, inferredReply(`42`)},
		{"2.0 inferred list", request(), "", `[1]`, inferredReply(`[1]`)},
		{"2.0 inferred null", request(), "", `null`, inferredReply(`null`)},
		{"2.0 inferred empty", request(), "", `""`, inferredReply(``)},
		{"2.0 not JSON", request(), "", `<b>`, inferredReply(`<b>`)},
		{"2.0 status float", request(), "", `{"statusCode":200.5}`, nil},
		{"2.0 status text", request(), "", `{"statusCode":"200"}`, nil},
		{"2.0 status null", request(), "", `{"statusCode":null}`, nil},
		{"2.0 status 0", request(), "", `{"statusCode":0}`, nil},
		{"2.0 status 600", request(), "", `{"statusCode":600}`, nil},
		{"2.0 body object", request(), "", `{"statusCode":200,"body":{}}`, nil},
		{"2.0 bad base64", request(), "", `{"statusCode":200,"body":"%","isBase64Encoded":true}`, nil},
		{"2.0 header list", request(), "", `{"statusCode":200,"headers":{"a":["b"]}}`, nil},
		{"2.0 flag as text", request(), "", `{"statusCode":200,"isBase64Encoded":"true"}`, nil},

		{"1.0 merged", request(), "1.0", `{"statusCode":200,"headers":{"X-A":"1"},"multiValueHeaders":{"x-a":["2","1","3"],"X-B":["4"]},"cookies":["no"]}`,
			&gateway.Reply{Status: 200, Header: gateway.Header{"X-A": {"1", "2", "3"}, "X-B": {"4"}, "content-type": {plain}}, Body: []byte{}}},
		{"1.0 no status", request(), "1.0", `{"body":"x"}`, nil},
		{"1.0 text", request(), "1.0", `"x"`, nil},
		{"1.0 null", request(), "1.0", `null`, nil},
		{"1.0 bad base64", request(), "1.0", `{"statusCode":200,"body":"%","isBase64Encoded":true}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Result(test.ev, test.version, []byte(test.payload))
			if test.want == nil {
				if gateway.ErrorCode(err) != gateway.CodeIntegration {
					t.Errorf("got %+v, %v; want %s", got, err, gateway.CodeIntegration)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func inferredReply(body string) *gateway.Reply {
	return &gateway.Reply{Status: 200, Header: gateway.Header{"content-type": {"application/json"}}, Body: []byte(body)}
}

func TestResultOfUnknownVersion(t *testing.T) {
	if _, err := Result(request(), "9", []byte("{}")); gateway.ErrorCode(err) != gateway.CodeInternal {
		t.Errorf("got %v", err)
	}
}

// FuzzResult: whatever a function returns, there is a reply with a possible status, or CodeIntegration.
func FuzzResult(f *testing.F) {
	for _, s := range []string{`null`, `""`, `{"statusCode":200,"headers":{"a":"b"},"multiValueHeaders":{"A":["c"]},"cookies":["d"],"body":"e"}`,
		`{"statusCode":200,"body":"AP8=","isBase64Encoded":true}`, `{"statusCode":1e2}`, `[`, "\xff", `{"statusCode":200}{}`} {
		f.Add(s, uint8(1), "2.0")
		f.Add(s, uint8(2), "1.0")
		f.Add(s, uint8(4), "1.0")
		f.Add(s, uint8(4), "")
	}
	f.Fuzz(func(t *testing.T, payload string, kind uint8, version string) {
		ev := webSocket(gateway.EventKind(kind%4+1), gateway.Expect(kind%3))
		reply, err := Result(ev, version, []byte(payload))
		switch {
		case err != nil:
			code := gateway.ErrorCode(err)
			known := version == "" || version == Version1 || version == Version2
			if code != gateway.CodeIntegration && known {
				t.Errorf("%q: %v", payload, err)
			}
		case reply == nil:
			t.Errorf("%q: neither reply nor error", payload)
		case reply.Status < minStatus || reply.Status > maxStatus:
			t.Errorf("%q: status %d", payload, reply.Status)
		}
		if payload == "null" && ev.Kind == gateway.EventMessage && (err != nil) != (ev.Expect == gateway.ExpectReply) {
			t.Errorf("null with expect %d: %v", ev.Expect, err)
		}
	})
}

// TestManyHeaderValues: a function chooses how many values it returns, so joining them must not cost their square.
func TestManyHeaderValues(t *testing.T) {
	const values = 200_000
	var payload strings.Builder
	payload.WriteString(`{"statusCode":200,"headers":{"X":"0"},"multiValueHeaders":{"x":[`)
	for i := range values {
		if i > 0 {
			payload.WriteByte(',')
		}
		fmt.Fprintf(&payload, `"%d"`, i)
	}
	payload.WriteString(`]}}`)
	reply, err := Result(request(), Version1, []byte(payload.String()))
	if err != nil {
		t.Fatal(err)
	}
	if got := reply.Header["X"]; len(got) != values || got[values-1] != strconv.Itoa(values-1) {
		t.Errorf("%d values, want %d", len(got), values)
	}
}
