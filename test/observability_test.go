package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const observability = "docs/observability.md"

// TestObservabilityNamesWhatIsMeasured: the table of metrics has the instruments of the whole code, no more and no less.
func TestObservabilityNamesWhatIsMeasured(t *testing.T) {
	document := readDocument(t, observability)
	var documented, prometheus []string
	for _, row := range tables(document, "| name | Prometheus | type | unit | attributes | counts | CloudWatch |") {
		documented = append(documented, strings.Join([]string{unquote(row[0]), row[2], unquote(row[3])}, " "))
		name := strings.ReplaceAll(unquote(row[0]), ".", "_")
		switch row[2] {
		case "Counter":
			name += "_total"
		case "Histogram":
			name += "_seconds"
		}
		if unquote(row[1]) != name {
			t.Errorf("%s is called %s by Prometheus, not %s", row[0], name, row[1])
		}
		prometheus = append(prometheus, name)
	}
	slices.Sort(documented)
	if diff := cmp.Diff(instruments(t), documented); diff != "" {
		t.Errorf("the instruments (-code +document):\n%s", diff)
	}
	for line := range strings.Lines(strings.TrimSpace(wantSeries)) {
		name, _, _ := strings.Cut(line, "{")
		if !slices.Contains(prometheus, strings.TrimSuffix(name, "_count")) {
			t.Errorf("%s is not in the table", name)
		}
	}
}

var ownName = regexp.MustCompile("`(sallyport\\.[a-z_.]+)`")

// TestObservabilityNamesAttributes: every attribute of ours is explained, and every one explained exists.
func TestObservabilityNamesAttributes(t *testing.T) {
	names := map[string]bool{} // whether the document has it
	for _, instrument := range instruments(t) {
		if name := strings.Fields(instrument)[0]; strings.HasPrefix(name, "sallyport.") {
			names[name] = false
		}
	}
	calls(t, func(f *ast.CallExpr, name string) {
		if name == "Key" && len(f.Args) == 1 {
			if key, err := strconv.Unquote(literal(f.Args[0])); err == nil && strings.HasPrefix(key, "sallyport.") {
				names[key] = false
			}
		}
	})
	for _, match := range ownName.FindAllStringSubmatch(readDocument(t, observability), -1) {
		if _, known := names[match[1]]; !known {
			t.Errorf("nothing is called %s", match[1])
		}
		names[match[1]] = true
	}
	for name, found := range names {
		if !found {
			t.Errorf("%s is not in %s", name, observability)
		}
	}
}

// TestObservabilityDrawsTheTraces: the trees in the document are those that the tests of traces compare.
func TestObservabilityDrawsTheTraces(t *testing.T) {
	document := readDocument(t, observability)
	for _, tree := range []string{treeOfHandshake, treeOfMessage, treeOfDisconnect, treeOfRequest, treeOfPush} {
		if !strings.Contains(document, "```\n"+tree+"```\n") {
			t.Errorf("%s does not have\n%s", observability, tree)
		}
	}
}

// instruments lists what the code measures: name, type and unit, sorted.
func instruments(t *testing.T) []string {
	t.Helper()
	var list []string
	calls(t, func(f *ast.CallExpr, name string) {
		kind := strings.TrimPrefix(strings.TrimPrefix(name, "Int64"), "Float64")
		if kind == name {
			return
		}
		kind = strings.TrimPrefix(kind, "Observable") // whoever collects sees no difference
		if !slices.Contains([]string{"Counter", "UpDownCounter", "Histogram", "Gauge"}, kind) {
			return
		}
		unit := ""
		for _, option := range f.Args[1:] {
			if o, ok := option.(*ast.CallExpr); ok && called(o) == "WithUnit" {
				unit, _ = strconv.Unquote(literal(o.Args[0]))
			}
		}
		instrument, err := strconv.Unquote(literal(f.Args[0]))
		if err != nil {
			t.Errorf("an instrument of type %s has no literal name", name)
		}
		list = append(list, strings.Join([]string{instrument, kind, unit}, " "))
	})
	slices.Sort(list)
	return list
}

// calls shows every call in the gateway's own code, by the name of what is called.
func calls(t *testing.T, show func(f *ast.CallExpr, name string)) {
	t.Helper()
	for _, folder := range []string{"bus", "connstore", "control", "edge", "integrations", "internal", "router"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(syntax, func(n ast.Node) bool {
				if f, ok := n.(*ast.CallExpr); ok && called(f) != "" {
					show(f, called(f))
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// called is the last word of what is called.
func called(f *ast.CallExpr) string {
	if s, ok := f.Fun.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		return l.Value
	}
	return ""
}

func unquote(cell string) string { return strings.Trim(cell, "`") }
