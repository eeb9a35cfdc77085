package router

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

func domainsOf(mappings ...string) []*gateway.DomainMapping {
	var list []*gateway.DomainMapping
	for _, m := range mappings {
		name, key, _ := strings.Cut(m, "/")
		list = append(list, &gateway.DomainMapping{DomainName: gateway.DomainName(name), APIMappingKey: key})
	}
	return list
}

// domainTable: chat's prod is api.example.com/chat, its beta any label of example.net; shop's $default is the rest of
// api.example.com and shop's prod shop/v1 of it; hidden is nowhere else.
func domainTable(tb testing.TB) *Table {
	tb.Helper()
	chat := websocketAPI("$default")
	chat.Stages = map[gateway.StageName]*gateway.Stage{
		"prod": {Domains: domainsOf("api.example.com/chat", "keyed.example.org/chat")}, "beta": {Domains: domainsOf("*.example.net")},
	}
	shop := httpAPI("$default")
	shop.Stages = map[gateway.StageName]*gateway.Stage{
		"$default": {Domains: domainsOf("api.example.com")}, "prod": {Domains: domainsOf("api.example.com/shop/v1", "api.example.com/shop")},
	}
	hidden := httpAPI("$default")
	hidden.APIID, hidden.DisableExecuteAPIEndpoint = "hidden", true
	hidden.Stages = map[gateway.StageName]*gateway.Stage{"prod": {Domains: domainsOf("one.example.net")}}
	return NewTable([]*Program{
		mustCompile(tb, chat, "prod"), mustCompile(tb, chat, "beta"),
		mustCompile(tb, shop, "$default"), mustCompile(tb, shop, "prod"), mustCompile(tb, hidden, "prod"),
	}, "localhost")
}

func TestResolveCustomDomains(t *testing.T) {
	table := domainTable(t)
	tests := []struct {
		name, host, path string
		want             string // api/stage, "-" for none
		rest, stage      string
	}{
		{"key", "api.example.com", "/chat", "chat/prod", "", "/prod"},
		{"key and a slash", "api.example.com:8443", "/chat/", "chat/prod", "/", "/prod"},
		{"upper case and a final dot", "API.example.COM.", "/chat", "chat/prod", "", "/prod"},
		{"key is a whole segment", "api.example.com", "/chats", "shop/$default", "/chats", ""},
		{"key minds upper and lower case", "api.example.com", "/Chat", "shop/$default", "/Chat", ""},
		{"the longest key wins", "api.example.com", "/shop/v1/x", "shop/prod", "/x", "/prod"},
		{"the shorter key", "api.example.com", "/shop/v2", "shop/prod", "/v2", "/prod"},
		{"empty key", "api.example.com", "", "shop/$default", "", ""},
		{"no path style on a custom domain", "api.example.com", "/chat/beta", "chat/prod", "/beta", "/prod"},
		{"wildcard", "a.example.net", "/", "chat/beta", "/", "/beta"},
		{"a name before the wildcard", "one.example.net", "/x", "hidden/prod", "/x", "/prod"},
		{"wildcard is one label", "a.b.example.net", "/", "-", "", ""},
		{"wildcard is a label", "example.net", "/chat/prod", "chat/prod", "", "/prod"},
		{"another host", "other.example.com", "/chat/prod", "chat/prod", "", "/prod"},
		{"host style still works", "chat.localhost", "/prod", "chat/prod", "", "/prod"},
		{"only its domains", "other.example.com", "/hidden/prod", "-", "", ""},
		{"only its domains, host style", "hidden.localhost", "/prod", "-", "", ""},
		{"a host too long for a name", strings.Repeat("a", maxHostBytes) + ".example.net", "/", "-", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, ok := table.Resolve(test.host, test.path)
			got := "-"
			if ok {
				got = string(a.Program.API()) + "/" + string(a.Program.Stage())
			}
			if got != test.want || a.Path != test.rest || a.StageInPath != test.stage {
				t.Errorf("got %s, path %q, stage %q; want %s, %q, %q", got, a.Path, a.StageInPath, test.want, test.rest, test.stage)
			}
		})
	}
	if n := testing.AllocsPerRun(100, func() { table.Resolve("API.example.com:8080", "/chat") }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Only the stages that say so are hidden from the usual addresses, and all of them.
func TestOnlyDomainsIsEachDeploymentsOwn(t *testing.T) {
	hidden, open := httpAPI("$default"), httpAPI("$default")
	hidden.DisableExecuteAPIEndpoint = true
	table := NewTable([]*Program{mustCompile(t, hidden, "prod"), mustCompile(t, open, "dev")}, "localhost")
	for path, want := range map[string]bool{"/shop/prod": false, "/shop/dev": true} {
		if _, ok := table.Resolve("any", path); ok != want {
			t.Errorf("%s: found %t, want %t", path, ok, want)
		}
	}
	if _, ok := table.Resolve("shop.localhost", "/prod"); ok {
		t.Error("the hidden stage has a host-style address")
	}
}

// contract/websocket-api.md §9.1: the mapping key without the stage; our addition takes the stage too.
func TestCallbackOnCustomDomains(t *testing.T) {
	table := domainTable(t)
	for _, test := range []struct{ host, base, want string }{
		{"api.example.com", "/chat", "chat/prod"},
		{"api.example.com", "", "shop/$default"},
		{"api.example.com", "/shop/v1", "shop/prod"},
		{"api.example.com", "/prod", "/prod"}, // of two APIs: the id decides
		{"a.example.net", "", "chat/beta"},
		{"a.example.net", "/beta", "chat/beta"},
		{"a.example.net", "/prod", "not_found"},
		{"keyed.example.org", "/nope", "forbidden"},
		{"api.example.com", "/chat/prod", "not_found"}, // the domain has an empty key
		{"other.example.com", "/chat/prod", "chat/prod"},
		{"other.example.com", "/hidden/prod", "forbidden"},
		{"hidden.localhost", "/prod", "/prod"}, // any host, a stage alone
	} {
		ref, err := table.Callback(test.host, test.base+"/@connections/L0SM9cOFvHcCIhw=")
		got := string(ref.API) + "/" + string(ref.Stage)
		if err != nil {
			got = string(gateway.ErrorCode(err))
		}
		if got != test.want {
			t.Errorf("%s%s: got %s, want %s", test.host, test.base, got, test.want)
		}
	}
}

func TestDomainFaults(t *testing.T) {
	api := websocketAPI("$default")
	api.Stages = map[gateway.StageName]*gateway.Stage{
		"a": {Domains: domainsOf("api.example.com/x", "API.example.com", "localhost", "a.*.com", "-a.example.com", "api.example.com:80")},
		"b": {Domains: append(domainsOf("api.example.com/x", "b.example.com//x", "b.example.com/x y", "b.example.com/a/b"), nil)},
	}
	var got []string
	for _, f := range Check(api, Config{}) {
		got = append(got, strings.Join(f.Path, ".")+": "+f.Problem)
	}
	want := []string{
		"stages.a.domains.1.domainName: no domain name", "stages.a.domains.2.domainName: no domain name",
		"stages.a.domains.3.domainName: no domain name", "stages.a.domains.4.domainName: no domain name",
		"stages.a.domains.5.domainName: no domain name",
		"stages.b.domains.0: api.example.com/x leads to stage a already",
		"stages.b.domains.1.apiMappingKey: the key can't be a path", "stages.b.domains.2.apiMappingKey: the key can't be a path",
		"stages.b.domains.3.apiMappingKey: the key of a WebSocket API has one segment", "stages.b.domains.4: the mapping is empty",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
