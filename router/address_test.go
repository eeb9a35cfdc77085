package router

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport/sallyport/gateway"
)

// testTable: chat has dev and prod, shop has $default and dev, solo has $default only, dev is an API with the name of a
// stage.
func testTable(tb testing.TB, domain string) *Table {
	tb.Helper()
	var programs []*Program
	for _, one := range []struct {
		api   gateway.APIID
		stage gateway.StageName
	}{{"chat", "dev"}, {"chat", "prod"}, {"shop", "$default"}, {"shop", "dev"}, {"solo", "$default"}, {"dev", "test"}} {
		api := httpAPI("$default")
		api.APIID = one.api
		programs = append(programs, mustCompile(tb, api, one.stage))
	}
	return NewTable(programs, domain)
}

func TestResolve(t *testing.T) {
	table := testTable(t, "gw.example")
	tests := []struct {
		name, host, path string
		want             string // api/stage, "-" for none
		rest, stage      string
	}{
		{"path style", "127.0.0.1:8080", "/chat/dev", "chat/dev", "", "/dev"},
		{"with a final slash", "127.0.0.1:8080", "/chat/dev/", "chat/dev", "/", "/dev"},
		{"with more", "any.host", "/chat/prod/a/b%2F", "chat/prod", "/a/b%2F", "/prod"},
		{"stage missing", "any.host", "/chat", "-", "", ""},
		{"stage unknown", "any.host", "/chat/test", "-", "", ""},
		{"API unknown", "any.host", "/nope/dev", "-", "", ""},
		{"nothing", "any.host", "/", "-", "", ""},
		{"empty", "any.host", "", "-", "", ""},
		{"no slash", "any.host", "chat/dev", "-", "", ""},
		{"$default left out", "any.host", "/shop/a/b", "shop/$default", "/a/b", ""},
		{"$default and no path", "any.host", "/shop", "shop/$default", "", ""},
		{"$default and a slash", "any.host", "/shop/", "shop/$default", "/", ""},
		{"a named stage wins", "any.host", "/shop/dev/a", "shop/dev", "/a", "/dev"},
		{"only a whole segment names a stage", "any.host", "/shop/devil", "shop/$default", "/devil", ""},
		{"$default is no path segment", "any.host", "/solo/$default/a", "solo/$default", "/$default/a", ""},
		{"host style", "chat.gw.example", "/dev/a", "chat/dev", "/a", "/dev"},
		{"host style with port", "chat.gw.example:8443", "/dev/", "chat/dev", "/", "/dev"},
		{"host style, upper case", "CHAT.GW.Example", "/dev", "chat/dev", "", "/dev"},
		{"host style, final dot", "chat.gw.example.:80", "/dev", "chat/dev", "", "/dev"},
		{"host style, $default", "shop.gw.example", "/a/b", "shop/$default", "/a/b", ""},
		{"host style, $default, no path", "shop.gw.example", "", "shop/$default", "", ""},
		{"host style, named stage wins", "shop.gw.example", "/dev", "shop/dev", "", "/dev"},
		{"host style, unknown stage", "chat.gw.example", "/test", "-", "", ""},
		{"host style does not read an API from the path", "chat.gw.example", "/shop/a", "-", "", ""},
		{"unknown label is any host", "www.gw.example", "/chat/dev/x", "chat/dev", "/x", "/dev"},
		{"label below a label", "a.chat.gw.example", "/chat/dev", "chat/dev", "", "/dev"},
		{"the domain itself", "gw.example", "/chat/dev", "chat/dev", "", "/dev"},
		{"no label", ".gw.example", "/chat/dev", "chat/dev", "", "/dev"},
		{"no host", "", "/chat/dev", "chat/dev", "", "/dev"},
		{"IPv6", "[::1]:8080", "/chat/dev", "chat/dev", "", "/dev"},
		{"an API with the name of a stage", "any.host", "/dev/test/x", "dev/test", "/x", "/test"},
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
}

func TestResolveWithoutDomain(t *testing.T) {
	table := testTable(t, "")
	if _, ok := table.Resolve("chat", "/dev"); ok {
		t.Error("a host without a domain named an API")
	}
	if a, ok := table.Resolve("chat", "/chat/dev"); !ok || a.Program.API() != "chat" {
		t.Error("path style does not work")
	}
}

func TestResolveDoesNotAllocate(t *testing.T) {
	table := testTable(t, "localhost")
	for host, path := range map[string]string{"127.0.0.1:8080": "/chat/dev/a", "shop.localhost:8080": "/a/b"} {
		if n := testing.AllocsPerRun(100, func() {
			if _, ok := table.Resolve(host, path); !ok {
				t.Error("not found")
			}
		}); n > 0 {
			t.Errorf("%s%s: %v allocations, want none", host, path, n)
		}
	}
}

func TestTable(t *testing.T) {
	table := testTable(t, "localhost")
	if got := len(table.Programs()); got != 6 {
		t.Errorf("%d programs, want 6", got)
	}
	if p := table.Program("shop", "dev"); p == nil || p.API() != "shop" {
		t.Errorf("got %v", p)
	}
	if table.Program("shop", "prod") != nil || table.Program("nope", "dev") != nil {
		t.Error("found what is not there")
	}
	first, second := mustCompile(t, httpAPI("GET /a"), "dev"), mustCompile(t, httpAPI("GET /b"), "dev")
	replaced := NewTable([]*Program{first, second}, "")
	if got := replaced.Programs(); len(got) != 1 || got[0] != second || replaced.Program("shop", "dev") != second {
		t.Error("the later of two programs does not count")
	}
}

func TestLive(t *testing.T) {
	var live Live
	empty := live.Load()
	if empty == nil || len(empty.Programs()) != 0 || empty.Program("chat", "dev") != nil {
		t.Fatal("the zero value is no empty table")
	}
	if _, ok := empty.Resolve("chat.localhost", "/chat/dev"); ok {
		t.Error("an empty table resolved an address")
	}
	if _, err := empty.Callback("any", "/chat/dev/@connections/L0SM9cOFvHcCIhw="); gateway.ErrorCode(err) != gateway.CodeForbidden {
		t.Errorf("an empty table took a callback: %v", err)
	}
	table := testTable(t, "localhost")
	live.Swap(table)
	if live.Load() != table {
		t.Error("the table is not in force")
	}
}

func TestCallback(t *testing.T) {
	const id = "L0SM9cOFvHcCIhw="
	table := testTable(t, "gw.example")
	ref := func(api gateway.APIID, stage gateway.StageName) gateway.ConnectionRef {
		return gateway.ConnectionRef{API: api, Stage: stage, ID: id}
	}
	tests := []struct {
		name, host, path string
		want             gateway.ConnectionRef
		code             gateway.Code
	}{
		{"path style", "any", "/chat/dev/@connections/L0SM9cOFvHcCIhw=", ref("chat", "dev"), ""},
		{"everything encoded", "any", "/chat/dev/%40connections/L0SM9cOFvHcCIhw%3D", ref("chat", "dev"), ""},
		{"encoded in lower case", "any", "/chat/dev/@connections/L0SM9cOFvHcCIhw%3d", ref("chat", "dev"), ""},
		{"endpoint with a final slash", "any", "/chat/dev//@connections/L0SM9cOFvHcCIhw%3D", ref("chat", "dev"), ""},
		{"final slash", "any", "/chat/dev/@connections/L0SM9cOFvHcCIhw%3D/", ref("chat", "dev"), ""},
		{"path style on a host of another API", "shop.gw.example", "/chat/dev/@connections/L0SM9cOFvHcCIhw=", ref("chat", "dev"), ""},
		{"unknown API", "any", "/nope/dev/@connections/L0SM9cOFvHcCIhw=", gateway.ConnectionRef{}, gateway.CodeForbidden},
		{"unknown stage", "any", "/chat/test/@connections/L0SM9cOFvHcCIhw=", gateway.ConnectionRef{}, gateway.CodeForbidden},
		{"$default by name", "any", "/shop/$default/@connections/L0SM9cOFvHcCIhw=", ref("shop", "$default"), ""},
		{"$default by name, encoded", "any", "/shop/%24default/@connections/L0SM9cOFvHcCIhw=", ref("shop", "$default"), ""},
		{"$default left out", "any", "/shop/@connections/L0SM9cOFvHcCIhw=", ref("shop", "$default"), ""},
		{"stage left out, no $default", "any", "/chat/@connections/L0SM9cOFvHcCIhw=", ref("chat", ""), ""},
		{"stage without API", "any", "/prod/@connections/L0SM9cOFvHcCIhw=", ref("", "prod"), ""},
		{"$default without API", "any", "/%24default/@connections/L0SM9cOFvHcCIhw=", ref("", "$default"), ""},
		{"API and stage of the same name", "any", "/dev/@connections/L0SM9cOFvHcCIhw=", ref("", ""), ""},
		{"neither API nor stage", "any", "/nope/@connections/L0SM9cOFvHcCIhw=", gateway.ConnectionRef{}, gateway.CodeForbidden},
		{"bare", "any", "/@connections/L0SM9cOFvHcCIhw=", ref("", ""), ""},
		{"host style", "chat.gw.example:8080", "/prod/@connections/L0SM9cOFvHcCIhw=", ref("chat", "prod"), ""},
		{"host style, unknown stage", "chat.gw.example", "/test/@connections/L0SM9cOFvHcCIhw=", gateway.ConnectionRef{}, gateway.CodeForbidden},
		{"host style, bare, $default", "shop.gw.example", "/@connections/L0SM9cOFvHcCIhw=", ref("shop", "$default"), ""},
		{"host style, bare", "chat.gw.example", "/@connections/L0SM9cOFvHcCIhw=", ref("chat", ""), ""},
		{"unknown label", "www.gw.example", "/prod/@connections/L0SM9cOFvHcCIhw=", ref("", "prod"), ""},
		{"id of another form", "any", "/chat/dev/@connections/test-connection-123", gateway.ConnectionRef{}, gateway.CodeBadRequest},
		{"no id", "any", "/chat/dev/@connections", gateway.ConnectionRef{}, gateway.CodeBadRequest},
		{"id and more", "any", "/chat/dev/@connections/L0SM9cOFvHcCIhw=/x", gateway.ConnectionRef{}, gateway.CodeBadRequest},
		{"broken encoding", "any", "/chat/dev/@connections/L0SM9cOFvHcCIhw%", gateway.ConnectionRef{}, gateway.CodeBadRequest},
		{"wrong stage comes before the wrong id", "any", "/chat/test/@connections/x", gateway.ConnectionRef{}, gateway.CodeForbidden},
		{"no callback", "any", "/chat/dev/connections/x", gateway.ConnectionRef{}, gateway.CodeNotFound},
		{"too deep", "any", "/chat/dev/x/@connections/L0SM9cOFvHcCIhw=", gateway.ConnectionRef{}, gateway.CodeNotFound},
		{"only part of a segment", "any", "/chat/dev/my@connections/L0SM9cOFvHcCIhw=", gateway.ConnectionRef{}, gateway.CodeNotFound},
		{"empty", "any", "", gateway.ConnectionRef{}, gateway.CodeNotFound},
		{"slashes", "any", "///", gateway.ConnectionRef{}, gateway.CodeNotFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := table.Callback(test.host, test.path)
			if gateway.ErrorCode(err) != test.code {
				t.Fatalf("got error %v, want code %q", err, test.code)
			}
			if err != nil {
				got = gateway.ConnectionRef{}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if want := test.code != gateway.CodeNotFound; IsCallback(test.path) != want {
				t.Errorf("IsCallback is %v", !want)
			}
		})
	}
}

func TestCallbackNamesTheMalformedID(t *testing.T) {
	_, err := testTable(t, "").Callback("any", "/@connections/test%20id")
	if want := "bad_request: Invalid connectionId: test id"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// FuzzAddress: no address makes Resolve or Callback panic, and what they return fits what they were given.
func FuzzAddress(f *testing.F) {
	for _, host := range []string{"", "chat.gw.example:80", "[::1]:80", ":", "gw.example", "shop.GW.example."} {
		for _, path := range []string{"", "/", "/chat/dev/a", "/shop", "/%40connections/L0SM9cOFvHcCIhw%3D", "/chat/dev//@connections/%", "//@connections//"} {
			f.Add(host, path)
		}
	}
	table := testTable(f, "gw.example")
	f.Fuzz(func(t *testing.T, host, path string) {
		if a, ok := table.Resolve(host, path); ok {
			if a.Path != "" && a.Path[0] != '/' {
				t.Fatalf("path %q", a.Path)
			}
			if stage := a.Program.Stage(); a.StageInPath != "" && a.StageInPath != "/"+string(stage) || a.StageInPath == "" && stage != gateway.StageDefault {
				t.Fatalf("stage %q is in the path as %q", stage, a.StageInPath)
			}
			if rest := a.StageInPath + a.Path; len(path) < len(rest) || path[len(path)-len(rest):] != rest {
				t.Fatalf("%q does not end in %q", path, rest)
			}
		}
		ref, err := table.Callback(host, path)
		if IsCallback(path) == (gateway.ErrorCode(err) == gateway.CodeNotFound) {
			t.Fatalf("IsCallback and Callback disagree: %v", err)
		}
		if err == nil {
			if _, err := gateway.ParseConnectionID(string(ref.ID)); err != nil {
				t.Fatal(err)
			}
			if ref.API != "" && ref.Stage != "" && table.Program(ref.API, ref.Stage) == nil {
				t.Fatalf("unknown owner %v", ref)
			}
		}
	})
}

func TestWithoutPort(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "a:1": "a", "[::1]": "[::1]", "[::1]:1": "[::1]", "a.b:": "a.b"} {
		if got := WithoutPort(in); got != want {
			t.Errorf("WithoutPort(%q) = %q, want %q", in, got, want)
		}
	}
}
