package bus

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

func TestAuthorizerSubject(t *testing.T) {
	for name, want := range map[string]string{
		"users": "sallyport.chat.dev.auth.users",
		"a.b":   "sallyport.chat.dev.auth.a%2Eb",
		"*":     "sallyport.chat.dev.auth.%2A",
		"":      "sallyport.chat.dev.auth.%",
	} {
		if got := (Subjects{}).Authorizer("chat", "dev", name); got != want {
			t.Errorf("authorizer %q: %s, want %s", name, got, want)
		}
	}
	if got, want := (Subjects{Prefix: "a.b"}).Authorizer("chat", "$default", "users"), "a.b.chat.$default.auth.users"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, subject := range []string{
		"", "sallyport.chat.dev.auth", "sallyport.chat.dev.auth.", "sallyport.chat.dev.auth.a.b", "sallyport.chat.dev.ws.users",
		"other.chat.dev.auth.users", "sallyport.chat.dev.auth.%61", "sallyport.chat.dev.auth.*", "sallyport..dev.auth.users",
	} {
		if a, err := (Subjects{}).ParseAuthorizer(subject); !errors.Is(err, ErrSubject) {
			t.Errorf("%q was taken for %+v", subject, a)
		}
	}
}

// FuzzAuthorizerSubject: parse∘build is the identity, no subject is dangerous on NATS, and none is a route's.
func FuzzAuthorizerSubject(f *testing.F) {
	for _, name := range []string{"users", "", "%", "a.b", "*", ">", "é", "a b", "\xff\x00", "%2E"} {
		f.Add("chat", "dev", name)
		f.Add("@edge", "", name)
	}
	f.Fuzz(func(t *testing.T, api, stage, name string) {
		s := Subjects{}
		want := AuthorizerAddress{gateway.APIID(api), gateway.StageName(stage), name}
		subject := s.Authorizer(want.API, want.Stage, want.Name)
		if got, err := s.ParseAuthorizer(subject); err != nil || got != want {
			t.Fatalf("%+v → %s → %+v, %v", want, subject, got, err)
		}
		if a, err := s.ParseEvent(subject); err == nil {
			t.Fatalf("%s is also the subject of route %+v", subject, a)
		}
		for token := range strings.SplitSeq(subject, ".") {
			if token == "" || token == "*" || token == ">" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Fatalf("%+v → %q", want, subject)
			}
		}
	})
}

// FuzzParseAuthorizer: what is taken at all is exactly what would be built.
func FuzzParseAuthorizer(f *testing.F) {
	for _, s := range []string{"sallyport.a.b.auth.c", "sallyport.%.%.auth.%", "sallyport.a.b.auth.%2E", "sallyport.a.b.auth"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		a, err := Subjects{}.ParseAuthorizer(subject)
		if err != nil {
			return
		}
		if again := (Subjects{}).Authorizer(a.API, a.Stage, a.Name); again != subject {
			t.Fatalf("%q → %+v → %q", subject, a, again)
		}
	})
}
