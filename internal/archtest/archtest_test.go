package archtest

import (
	"os"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func loadModule(t *testing.T) []file {
	t.Helper()
	files, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found only %d files: the module's root is elsewhere", len(files))
	}
	return files
}

func TestImports(t *testing.T) {
	for _, f := range importFaults(loadModule(t)) {
		t.Error(f)
	}
}

func TestHabits(t *testing.T) {
	used := map[string]bool{}
	for _, f := range habitFaults(loadModule(t)) {
		if _, excused := exceptions[f.key()]; excused {
			used[f.key()] = true
			continue
		}
		t.Error(f.text)
	}
	for key := range exceptions {
		if !used[key] {
			t.Errorf("stale exception: %s", key)
		}
	}
}

// The rules themselves: sources that break each of them.
func TestFaultsAreFound(t *testing.T) {
	const own = `"` + modulePath + `/`
	source := fstest.MapFS{
		"gateway/doc.go":                 {Data: []byte("// Package gateway.\npackage gateway\nimport _ \"golang.org/x/sync/errgroup\"")},
		"router/a.go":                    {Data: []byte("// Package router.\npackage router\nimport _ " + own + "bus\"")},
		"edge/a.go":                      {Data: []byte("// Package edge.\npackage edge\nimport (\n_ " + own + "integrations\"\n_ \"github.com/nats-io/nats.go\"\n_ " + own + "connstore/memory\"\n)")},
		"edge/a_test.go":                 {Data: []byte("package edge_test\nimport (\n_ " + own + "edge\"\n_ " + own + "connstore/memory\"\n_ \"github.com/nats-io/nats.go\"\n_ " + own + "integrations\"\n)")},
		"internal/nowhere/a.go":          {Data: []byte("package nowhere")},
		"bus/a.go":                       {Data: []byte("// Package bus.\npackage bus\nimport _ \"example.org/new/module\"")},
		"control/util/a.go":              {Data: []byte("// Package util.\npackage util\nimport stop \"os\"\nfunc init() { stop.Exit(1) }")},
		"integrations/a.go":              {Data: []byte("// Package integrations.\npackage integrations\nimport (\"net\"; \"context\")\nfunc f() { net.Listen(\"tcp\", \"\"); context.WithValue(nil, 1, 2) }")},
		"integrations/a_test.go":         {Data: []byte("package integrations\nimport \"time\"\nfunc g() { time." + "Sleep(1) }")},
		"cmd/sallyport/main.go":          {Data: []byte("// Command.\npackage main\nimport \"os\"\nfunc main() { os.Exit(0) }" + strings.Repeat("\n", maxLines+1))},
		"edge/testdata/broken.go":        {Data: []byte("no Go")},
		"test/clients/node_modules/a.go": {Data: []byte("no Go")},
	}
	files, err := load(source)
	if err != nil {
		t.Fatal(err)
	}
	imported := importFaults(files)
	sort.Strings(imported)
	if d := cmp.Diff([]string{
		"bus/a.go: the table has no row for the module of example.org/new/module",
		"edge/a.go: edge may not import github.com/nats-io/nats.go",
		"edge/a.go: edge may not import integrations",
		"edge/a_test.go: edge may not import integrations",
		"gateway/doc.go: gateway may not import golang.org/x/sync/errgroup",
		"internal/nowhere/a.go: no row of the import table covers internal/nowhere",
		"router/a.go: router may not import bus",
	}, imported); d != "" {
		t.Errorf("import faults (-want +got):\n%s", d)
	}
	var habits []string
	for _, f := range habitFaults(files) {
		habits = append(habits, f.key())
	}
	sort.Strings(habits)
	if d := cmp.Diff([]string{
		"comment internal/nowhere", "context integrations/a.go", "drawer control/util/a.go", "exit control/util/a.go",
		"init control/util/a.go", "length cmd/sallyport/main.go", "listen integrations/a.go", "sleep integrations/a_test.go",
	}, habits); d != "" {
		t.Errorf("broken habits (-want +got):\n%s", d)
	}
}
