package bus

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

const someContext = `{"apiId":"chat","stage":"dev","domainName":"127.0.0.1","connectionId":"8B4DMAAAAAAAAAA=","connectedAt":1700000000000,` +
	`"identity":{"sourceIp":"127.0.0.1","userAgent":"Go \"http\" client"},"routeKey":"join","deploymentId":"d1","stageVariables":{"a":"b"},` +
	`"eventType":"MESSAGE","messageDirection":"IN","messageId":"m","extendedRequestId":"R000AAAAAAAAAAA=","requestId":"R000AAAAAAAAAAA=",` +
	`"requestTime":"09/Apr/2015:12:34:56 +0000","requestTimeEpoch":1428582896000}`

// contexts are what readContext must tell apart; the fuzz target begins with them.
func contexts() []string {
	return []string{
		someContext, `{}`, ` { } `, ``, ` `, `[]`, `5`, `"text"`, `null`, `true`, `false`, `nul`, `{`, `[`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{,}`, `[1,]`,
		`{"connectionId":1,"requestId":null}`, `{"connectionId":"a","connectionId":"b"}`, `{"connectionId":1,"connectionId":"b"}`,
		`{"connectionId":"a\u0041","requestId":"\n"}`, `{"connection\u0049d":"a"}`, `{"nested":{"connectionId":"no"},"requestId":"yes"}`,
		`{"a":[{"requestId":"no"}]}`, "{\"a\":\"\x01\"}", "{\"a\":\"\x7f\xff\"}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`, `{"a":"\`,
		`-0`, `-`, `01`, `1.`, `1.5e`, `1.5E+3`, `1e-0`, `.5`, `+1`, `0e1`, `1 2`, `{} x`, "\ufeff{}", `{"a":1}}`, "{\t\"a\"\r:\n1 }",
		`"` + strings.Repeat("x", 7) + `\"` + strings.Repeat("y", 9) + `"`, strings.Repeat("[", 200) + strings.Repeat("]", 200),
	}
}

// gjson is the measure: handlers read the context with it.
func checkContext(t *testing.T, text string) {
	t.Helper()
	ids, ok := readContext(text)
	if want := gjson.Valid(text); ok != want {
		t.Fatalf("%q is valid: %v, want %v", text, ok, want)
	}
	if !ok {
		return
	}
	if want := gjson.Get(text, memberConnection).Str; ids.connection != want {
		t.Errorf("%q: connection %q, want %q", text, ids.connection, want)
	}
	if want := gjson.Get(text, memberRequest).Str; ids.request != want {
		t.Errorf("%q: request %q, want %q", text, ids.request, want)
	}
}

func TestReadContext(t *testing.T) {
	for _, text := range contexts() {
		checkContext(t, text)
	}
}

func FuzzReadContext(f *testing.F) {
	for _, text := range contexts() {
		f.Add(text)
	}
	f.Fuzz(checkContext)
}

func TestReadContextAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { readContext(someContext) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReadContext(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(someContext)))
	for b.Loop() {
		if _, ok := readContext(someContext); !ok {
			b.Fatal("not valid")
		}
	}
}
