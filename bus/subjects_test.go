package bus

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

func TestEventSubjects(t *testing.T) {
	const ws, http = gateway.ProtocolWebSocket, gateway.ProtocolHTTP
	for _, tc := range []struct {
		protocol gateway.Protocol
		key      gateway.RouteKey
		want     string
	}{
		{ws, "$connect", "sallyport.shop.prod.ws.$connect"},
		{ws, "$default", "sallyport.shop.prod.ws.$default"},
		{ws, "join", "sallyport.shop.prod.ws.join"},
		{ws, "a.b", "sallyport.shop.prod.ws.a%2Eb"},
		{ws, "*", "sallyport.shop.prod.ws.%2A"},
		{ws, ">", "sallyport.shop.prod.ws.%3E"},
		{ws, "100%", "sallyport.shop.prod.ws.100%25"},
		{ws, "two words", "sallyport.shop.prod.ws.two%20words"},
		{ws, "é", "sallyport.shop.prod.ws.%C3%A9"},
		{ws, "GET /pets", "sallyport.shop.prod.ws.GET%20/pets"},
		{http, "$default", "sallyport.shop.prod.http.$default"},
		{http, "GET /", "sallyport.shop.prod.http.GET"},
		{http, "GET /pets/{id}", "sallyport.shop.prod.http.GET.pets.{id}"},
		{http, "ANY /{proxy+}", "sallyport.shop.prod.http.ANY.{proxy+}"},
		{http, "POST /v1.2/a", "sallyport.shop.prod.http.POST.v1%2E2.a"},
		{http, "GET /pets/", "sallyport.shop.prod.http.GET.pets.%"},
		{http, "GET //", "sallyport.shop.prod.http.GET.%.%"},
		{http, "GET /a//b", "sallyport.shop.prod.http.GET.a.%.b"},
		{http, "GET /%", "sallyport.shop.prod.http.GET.%25"},
		{http, "nonsense", "sallyport.shop.prod.http.%.nonsense"},
	} {
		t.Run(string(tc.protocol)+" "+string(tc.key), func(t *testing.T) {
			got := Subjects{}.Event("shop", "prod", tc.protocol, tc.key)
			if got != tc.want {
				t.Fatalf("got %s, want %s", got, tc.want)
			}
			back, err := Subjects{}.ParseEvent(got)
			if want := (EventAddress{"shop", "prod", tc.protocol, tc.key}); err != nil || back != want {
				t.Fatalf("parsed to %+v, %v", back, err)
			}
		})
	}
}

func TestParseEventRefuses(t *testing.T) {
	for _, subject := range []string{
		"", "sallyport", "sallyport.", "other.shop.prod.ws.join", "sallyportshop.prod.ws.join.x",
		"sallyport.shop.prod.ws", "sallyport.shop.prod.ws.a.b", "sallyport.shop.prod.mqtt.join",
		"sallyport.shop.prod.ws.", "sallyport.shop.prod.ws.a%2", "sallyport.shop.prod.ws.%2e",
		"sallyport.shop.prod.ws.%61", "sallyport.shop.prod.ws.a b", "sallyport.shop.prod.ws.*",
		"sallyport.shop.prod.http.$default.x", "sallyport.shop.prod.http.GET.%", "sallyport.shop.prod.http.GET.a/b",
		"sallyport.shop.prod.http.%", "sallyport.shop.prod.http.%.GET%20/", "sallyport.shop.prod.http.%.a.b",
		"sallyport.shop.prod.@connections.AbC_.AbC_xxxxxxxxxxx=", "sallyport.@edge.AbC_.r.1",
	} {
		if a, err := (Subjects{}).ParseEvent(subject); err == nil {
			t.Errorf("%q parsed to %+v", subject, a)
		}
	}
}

func TestConnectionSubjects(t *testing.T) {
	s := Subjects{Prefix: "acme.gate"}
	for _, tc := range []struct {
		ref  gateway.ConnectionRef
		verb Verb
		want string
	}{
		{gateway.ConnectionRef{API: "chat", Stage: "prod", ID: "AbC_xxxxxxxxxxx="}, VerbPost,
			"acme.gate.chat.prod.@connections.AbC_.AbC_xxxxxxxxxxx="},
		{gateway.ConnectionRef{ID: "AbC_xxxxxxxxxxx="}, VerbGet, "acme.gate.%.%.@connections.AbC_.AbC_xxxxxxxxxxx=.get"},
		{gateway.ConnectionRef{API: "chat", Stage: "$default", ID: "AbC_xxxxxxxxxxx="}, VerbDelete,
			"acme.gate.chat.$default.@connections.AbC_.AbC_xxxxxxxxxxx=.delete"},
		{gateway.ConnectionRef{ID: "AbC_xxxxxxxxxxx="}, VerbStatus, "acme.gate.%.%.@connections.AbC_.AbC_xxxxxxxxxxx=.status"},
	} {
		got := s.Connection(tc.ref, tc.verb)
		if got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
		ref, edge, verb, err := s.ParseConnection(got)
		if err != nil || ref != tc.ref || verb != tc.verb || edge != "AbC_" {
			t.Errorf("%s parsed to %+v %q %q %v", got, ref, edge, verb, err)
		}
	}
	for _, subject := range []string{"acme.gate.a.b.@connections.AbC_", "acme.gate.a.b.@connections.AbC_.x.put",
		"acme.gate.a.b.@connections.AbC_.x.get.y", "acme.gate.a.b.ws.AbC_.x", "sallyport.a.b.@connections.AbC_.x"} {
		if ref, _, _, err := s.ParseConnection(subject); err == nil {
			t.Errorf("%s parsed to %+v", subject, ref)
		}
	}
}

func TestPrefixes(t *testing.T) {
	for prefix, good := range map[string]bool{"": true, "sallyport": true, "a.b-c_1": true, ".": false, "a..b": false,
		"a.": false, "a b": false, "*": false, "a.>": false, "$SYS": false, "é": false} {
		if err := (Subjects{Prefix: prefix}).Validate(); (err == nil) != good {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

func TestLongSubjectsAreRefused(t *testing.T) {
	if err := checkLength(strings.Repeat("a", MaxSubjectBytes-3), "abc"); err != nil {
		t.Error(err)
	}
	if err := checkLength(strings.Repeat("a", MaxSubjectBytes-3), "abcd"); gateway.ErrorCode(err) != gateway.CodeBadRequest {
		t.Error(err)
	}
}

// FuzzEventSubject: parse∘build is the identity, whatever the route key, and no subject is dangerous on NATS.
func FuzzEventSubject(f *testing.F) {
	for _, key := range []string{"$connect", "$default", "", "%", "a.b", "*", ">", "GET /", "GET //", "GET /{proxy+}", "ANY /a/",
		"$default /", " /x", "G.T /x", "GET /a /b", "\xff\x00", "é/ü", "GET", "get /", "%2E", "GET /%/%25"} {
		f.Add("shop", "prod", key)
		f.Add("@edge", "", key)
	}
	f.Fuzz(func(t *testing.T, api, stage, key string) {
		s := Subjects{}
		for _, p := range []gateway.Protocol{gateway.ProtocolWebSocket, gateway.ProtocolHTTP} {
			want := EventAddress{gateway.APIID(api), gateway.StageName(stage), p, gateway.RouteKey(key)}
			subject := s.Event(want.API, want.Stage, p, want.Route)
			got, err := s.ParseEvent(subject)
			if err != nil || got != want {
				t.Fatalf("%+v → %s → %+v, %v", want, subject, got, err)
			}
			for token := range strings.SplitSeq(subject, ".") {
				if token == "" || token == "*" || token == ">" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
					t.Fatalf("%+v → %q", want, subject)
				}
			}
		}
	})
}

// FuzzParseEvent: what is taken at all is exactly what would be built.
func FuzzParseEvent(f *testing.F) {
	for _, s := range []string{"sallyport.a.b.ws.c", "sallyport.a.b.http.GET.%", "sallyport.a.b.http.%.x", "sallyport.%.%.ws.%", "sallyport.a.b.http.GET./"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		a, err := Subjects{}.ParseEvent(subject)
		if err != nil {
			return
		}
		if again := (Subjects{}).Event(a.API, a.Stage, a.Protocol, a.Route); again != subject {
			t.Fatalf("%q → %+v → %q", subject, a, again)
		}
	})
}

// FuzzParseConnection: junk is refused or understood one way, and never panics.
func FuzzParseConnection(f *testing.F) {
	f.Add("sallyport.a.b.@connections.AbC_.AbC_xxxxxxxxxxx=.get")
	f.Add("sallyport.%.%.@connections.%.%")
	f.Fuzz(func(t *testing.T, subject string) {
		ref, edge, verb, err := Subjects{}.ParseConnection(subject)
		if err == nil && edge == ref.ID.Edge() {
			if again := (Subjects{}).Connection(ref, verb); again != subject {
				t.Fatalf("%q → %+v → %q", subject, ref, again)
			}
		}
	})
}

func TestFailureSubject(t *testing.T) {
	s := Subjects{}
	c, r := gateway.NewConnectionID("AbC_"), gateway.NewRequestID()
	subject := s.Failure("AbC_", c, r)
	gotC, gotR, err := parseFailure(strings.TrimPrefix(subject, s.failurePrefix("AbC_")))
	if err != nil || gotC != c || gotR != r {
		t.Fatalf("%s → %q %q %v", subject, gotC, gotR, err)
	}
	for _, junk := range []string{"", "x", "x.", ".x", "x.y.z"} {
		if _, _, err := parseFailure(junk); err == nil {
			t.Errorf("%q parsed", junk)
		}
	}
}

func TestMappingsAreThree(t *testing.T) {
	got := Subjects{}.Mappings()
	want := []Mapping{
		{"sallyport.*.*.@connections.*", "sallyport.{{wildcard(1)}}.{{wildcard(2)}}.@connections.{{left(3,4)}}.{{wildcard(3)}}"},
		{"sallyport.*.*.@connections.*.get", "sallyport.{{wildcard(1)}}.{{wildcard(2)}}.@connections.{{left(3,4)}}.{{wildcard(3)}}.get"},
		{"sallyport.*.*.@connections.*.delete", "sallyport.{{wildcard(1)}}.{{wildcard(2)}}.@connections.{{left(3,4)}}.{{wildcard(3)}}.delete"},
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v", got)
	}
}

func TestAnswerable(t *testing.T) {
	for reply, want := range map[string]bool{
		"":                                   true,
		"_INBOX.abc.d":                       true,
		"_R_.abc.d":                          true,
		"sallyports.x":                       true,
		"sallyport.@edge.AbCd.r.token":       true,
		"sallyport.@edge.AbCd.f.c.r":         false,
		"sallyport.@edge.AbCd.ping":          false,
		"sallyport.@edge.AbCd":               false,
		"sallyport.chat.dev.ws.send":         false,
		"sallyport.chat.dev.ws.r.x":          false,
		"sallyport.@journal.%.AbCd":          false,
		"$KV.sallyport-leases.AbCd":          false,
		"$JS.API.STREAM.PURGE.connections":   false,
		"sallyport.shop.dev.@connections.ab": false,
	} {
		if got := (Subjects{}).answerable(reply); got != want {
			t.Errorf("%q: %t", reply, got)
		}
	}
}
