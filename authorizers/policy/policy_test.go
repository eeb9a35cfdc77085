package policy

import (
	"path"
	"strings"
	"testing"
)

const connectARN = "arn:aws:execute-api:us-east-1:000000000000:chat/dev/$connect"

func statements(list ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`
}

func stmt(effect, action, resource string) string {
	return `{"Effect":"` + effect + `","Action":` + action + `,"Resource":` + resource + `}`
}

const actionInvoke = "execute-api:Invoke"

func TestAllows(t *testing.T) {
	const any, invoke = `"*"`, `"execute-api:Invoke"`
	allow := func(resource string) string { return statements(stmt("Allow", invoke, `"`+resource+`"`)) }
	for name, test := range map[string]struct {
		doc  string
		want bool
	}{
		"the ARN itself":          {allow(connectARN), true},
		"everything":              {allow("*"), true},
		"the stage":               {allow("arn:aws:execute-api:us-east-1:000000000000:chat/dev/*"), true},
		"the API":                 {allow("arn:aws:execute-api:us-east-1:000000000000:chat/*"), true},
		"any region and account":  {allow("arn:aws:execute-api:*:*:chat/*/$connect"), true},
		"one character":           {allow("arn:aws:execute-api:us-east-1:000000000000:chat/de?/$connect"), true},
		"one character too many":  {allow("arn:aws:execute-api:us-east-1:000000000000:chat/dev?/$connect"), false},
		"REST's form of a stage":  {allow("arn:aws:execute-api:us-east-1:000000000000:chat/dev/*/*"), false},
		"another stage":           {allow("arn:aws:execute-api:us-east-1:000000000000:chat/prod/*"), false},
		"another API":             {allow("arn:aws:execute-api:us-east-1:000000000000:chat2/*"), false},
		"a resource's case":       {allow(strings.ToUpper(connectARN)), false},
		"a route that is no more": {allow("arn:aws:execute-api:us-east-1:000000000000:chat/dev/send"), false},

		"any action":           {statements(stmt("Allow", any, any)), true},
		"any of the service":   {statements(stmt("Allow", `"execute-api:*"`, any)), true},
		"an action's case":     {statements(stmt("Allow", `"Execute-API:invoke"`, any)), true},
		"another action":       {statements(stmt("Allow", `"execute-api:ManageConnections"`, any)), false},
		"lists":                {statements(stmt("Allow", `["s3:Get*",`+invoke+`]`, `["x","`+connectARN+`"]`)), true},
		"lists without it":     {statements(stmt("Allow", `["s3:Get*","s3:Put*"]`, `["x","y"]`)), false},
		"a single statement":   {`{"Statement":` + stmt("Allow", invoke, any) + `}`, true},
		"the older version":    {`{"Version":"2008-10-17","Id":"x","Statement":` + stmt("Allow", invoke, any) + `}`, true},
		"a statement's id":     {statements(`{"Sid":"x","Effect":"Allow","Action":"*","Resource":"*"}`), true},
		"deny alone":           {statements(stmt("Deny", any, any)), false},
		"deny after allow":     {statements(stmt("Allow", any, any), stmt("Deny", invoke, `"`+connectARN+`"`)), false},
		"deny before allow":    {statements(stmt("Deny", invoke, any), stmt("Allow", any, any)), false},
		"deny of other things": {statements(stmt("Deny", `"s3:*"`, any), stmt("Deny", any, `"x"`), stmt("Allow", any, any)), true},

		"all actions but others":   {statements(`{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`), true},
		"all actions but this":     {statements(`{"Effect":"Allow","NotAction":["EXECUTE-API:*"],"Resource":"*"}`), false},
		"all resources but others": {statements(`{"Effect":"Allow","Action":"*","NotResource":"x"}`), true},
		"all resources but this":   {statements(`{"Effect":"Allow","Action":"*","NotResource":"*/$connect"}`), false},
		"deny all but this":        {statements(stmt("Allow", any, any), `{"Effect":"Deny","Action":"*","NotResource":"*/$connect"}`), true},
	} {
		got, err := Allows([]byte(test.doc), actionInvoke, connectARN)
		if err != nil || got != test.want {
			t.Errorf("%s: %v, %v; want %v for %s", name, got, err, test.want, test.doc)
		}
	}
}

// TestUnreadable: what can't be judged is an error, also beside a statement that allows.
func TestUnreadable(t *testing.T) {
	good := stmt("Allow", `"*"`, `"*"`)
	for _, doc := range []string{
		``, `null`, `[]`, `"x"`, `{}`, `{`, statements(good) + `x`, statements(good) + `]`, statements(), `{"Statement":null}`,
		`{"Statement":"x"}`, `{"Statement":[null]}`, `{"statement":` + good + `}`, `{"Version":"2020-01-01","Statement":` + good + `}`,
		`{"Version":7,"Statement":` + good + `}`, `{"Statement":` + good + `,"Extra":1}`,
		statements(good, `{"Effect":"allow","Action":"*","Resource":"*"}`),
		statements(good, `{"Action":"*","Resource":"*"}`),
		statements(good, `{"Effect":null,"Action":"*","Resource":"*"}`),
		statements(good, `{"Effect":"Deny","Resource":"*"}`),
		statements(good, `{"Effect":"Deny","Action":"*"}`),
		statements(good, `{"Effect":"Deny","Action":"*","NotAction":"*","Resource":"*"}`),
		statements(good, `{"Effect":"Deny","Action":[],"Resource":"*"}`),
		statements(good, `{"Effect":"Deny","Action":[null],"Resource":"*"}`),
		statements(good, `{"Effect":"Deny","Action":null,"Resource":"*"}`),
		statements(good, `{"Effect":"Deny","Action":7,"Resource":"*"}`),
		statements(good, `{"Effect":"Deny","Action":"*","Resource":["x",{}]}`),
		statements(good, `{"Effect":"Deny","Action":"*","Resource":"arn:${aws:username}"}`),
		statements(good, `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"x":"true"}}}`),
		statements(good, `{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`),
		statements(good) + strings.Repeat(" ", MaxBytes),
	} {
		if allowed, err := Allows([]byte(doc), actionInvoke, connectARN); err == nil || allowed {
			t.Errorf("%.120s: %v, %v; want an error", doc, allowed, err)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"?", "", false}, {"a*b*c", "axxbxxc", true}, {"a*b*c", "axxbxx", false},
		{"*a", "ba", true}, {"*a", "ab", false}, {"a**", "a", true}, {"*?*", "x", true}, {"[a]", "a", false}, {`\*`, `\x`, true},
		{strings.Repeat("a*", 2000), strings.Repeat("a", 1999), false},
	} {
		if got := match(test.pattern, test.s); got != test.want {
			t.Errorf("match(%.20q, %.20q) = %v", test.pattern, test.s, got)
		}
	}
}

// FuzzAllows: no document makes it panic, an error never consents, and neither does a document of nothing but Deny.
func FuzzAllows(f *testing.F) {
	for _, doc := range []string{
		statements(stmt("Allow", `"*"`, `"*"`)), statements(stmt("Deny", `["a","b"]`, `"*/$connect"`)), `{"Statement":[]}`, `null`, `[{}]`,
		statements(`{"Effect":"Allow","NotAction":"x","NotResource":["?"]}`), `{"Statement":{"Effect":"Allow","Action":"` + "\xff" + `","Resource":"\u0000"}}`,
	} {
		f.Add(doc, actionInvoke, connectARN)
	}
	f.Fuzz(func(t *testing.T, doc, action, resource string) {
		allowed, err := Allows([]byte(doc), action, resource)
		if allowed && err != nil {
			t.Fatalf("consent with the error %v", err)
		}
		parsed, err := parse([]byte(doc))
		if err != nil {
			return
		}
		denied := len(parsed) > 0
		for i := range parsed {
			if !parsed[i].deny {
				denied = false
			}
		}
		if denied && allowed {
			t.Fatalf("%q consents and holds nothing but Deny", doc)
		}
	})
}

// FuzzMatch compares with path.Match where the two languages are the same.
func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "axxbxc")
	f.Add("**", "")
	f.Add("*?*a", "aaaa")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		got := match(pattern, s)
		if strings.ContainsAny(pattern, `[\/`) || strings.Contains(s, "/") || !ascii(pattern) || !ascii(s) {
			return // classes, escapes, slashes and runes are path.Match's own
		}
		if want, err := path.Match(pattern, s); err == nil && got != want {
			t.Fatalf("match(%q, %q) = %v", pattern, s, got)
		}
	})
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
