package event

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// FuzzAppendString checks the escaping against encoding/json and the fitness for a header's value.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `"\`, "\x00\x1f\x7f\r\n\t", "\xff\xc3", "ü\u2028😀", "a\xed\xa0\x80b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if want := valid(s); back != want {
			t.Errorf("%q came back as %q", s, back)
		}
		for _, c := range got {
			if c < ' ' || c == 0x7f {
				t.Errorf("control character %#x in %q", c, got)
			}
		}
	})
}

// FuzzContext checks that whatever a client sends, the context is valid JSON that Parse reads back with the same values.
func FuzzContext(f *testing.F) {
	f.Add("chat.localhost", "curl", "a=b&a=c", "GET /{x}", "value", "reason", int64(0), `{"a":1}`)
	f.Add("\xff\"", "\r\nNats-Trace-Dest: x", "%zz=1&;=&%00", "$default", "\\", "", int64(-1), `{`)
	f.Add("", "", "", "", "", "\u2028", int64(1708326702789), "null")
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, domain, agent, query, key, value, reason string, millis int64, authorizer string) {
		const year9999 = 253402300799999 // RFC 3339 and Amazon's layout both end there
		if millis < 0 || millis > year9999 {
			millis = 0
		}
		now := time.UnixMilli(millis)
		c := &gateway.Connection{ID: "TXzPWdnOjoECGjA=", API: gateway.APIID(value), Stage: "s", ConnectedAt: now, DomainName: domain,
			SourceIP: value, UserAgent: agent, Authorizer: json.RawMessage(authorizer)}
		r := RouteInfo{RouteKey: gateway.RouteKey(key), Deployment: "d", StageVariables: map[string]string{key: value, value: agent}}
		message := AppendMessage(AppendRoute(AppendConnection(nil, c), r), MessageInfo{Kind: gateway.EventConnect, Request: "r",
			Time: now, Query: &QueryInfo{Raw: query}, Disconnect: &gateway.Close{Code: 1000, Reason: reason}})
		request := AppendRequest(nil, RequestInfo{API: "a", Stage: "s", Route: AppendRoute(nil, r), Request: "r", Time: now,
			DomainName: domain, Method: value, Path: value, RawQueryString: query, PathParameters: map[string]string{key: value},
			SourceIP: value, UserAgent: agent, Protocol: "HTTP/1.1", Authorizer: json.RawMessage(authorizer)})
		for _, b := range [][]byte{message, request} {
			if bytes.ContainsAny(b, "\r\n\x00") {
				t.Fatalf("not fit for a header: %q", b)
			}
			got, err := Parse(b)
			if err != nil {
				t.Fatalf("%v in %q", err, b)
			}
			validate(t, schema, b)
			if got.RequestTimeEpoch != millis || !got.Time().Equal(now) {
				t.Errorf("time %d, want %d", got.RequestTimeEpoch, millis)
			}
			if want := valid(domain); got.DomainName != want {
				t.Errorf("domainName %q, want %q", got.DomainName, want)
			}
			if want := valid(query); got.RawQueryString != want {
				t.Errorf("rawQueryString %q, want %q", got.RawQueryString, want)
			}
		}
	})
}

// valid replaces each wrong byte by U+FFFD, as encoding/json does; strings.ToValidUTF8 would replace a run of them by one.
func valid(s string) string { return string([]rune(s)) }
