package test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/app"
)

// root is the module's root as tests of this folder see it.
const root = ".."

// markdown returns the documents of the repository by their path from the root. It leaves out hidden folders and what
// npm put there.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	documents := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		case filepath.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		from, err := filepath.Rel(root, name)
		documents[filepath.ToSlash(from)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

var (
	linkForm    = regexp.MustCompile(`\[([^\]]*)\]\(<?([^)\s>]+)>?\)`)
	testForm    = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
	fenceForm   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	codeForm    = regexp.MustCompile("`([^`\n]+)`")
	headingForm = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the fragments that a document's headings make on the usual sites.
func anchors(document string) map[string]bool {
	found := map[string]bool{}
	for _, heading := range headingForm.FindAllStringSubmatch(fenceForm.ReplaceAllString(document, ""), -1) {
		plain := notInAnchor.ReplaceAllString(strings.ToLower(heading[1]), "")
		found[strings.ReplaceAll(plain, " ", "-")] = true
	}
	return found
}

func TestLinksOfDocumentsResolve(t *testing.T) {
	documents := markdown(t)
	links := 0
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		text := codeForm.ReplaceAllString(fenceForm.ReplaceAllString(documents[name], ""), "")
		for _, match := range linkForm.FindAllStringSubmatch(text, -1) {
			target, err := url.Parse(match[2])
			if err != nil {
				t.Errorf("%s: the link %s: %v", name, match[2], err)
				continue
			}
			if target.Scheme != "" {
				continue // other sites are not asked by a test
			}
			links++
			if problem := linkProblem(documents, name, target); problem != "" {
				t.Errorf("%s: the link %s: %s", name, match[2], problem)
				continue
			}
			if strings.HasSuffix(target.Path, ".go") {
				checkTestNames(t, name, match[1], target.Path)
			}
		}
	}
	if links < 10 {
		t.Errorf("found only %d links: the pattern does not find them any more", links)
	}
}

func linkProblem(documents map[string]string, from string, target *url.URL) string {
	file := from
	if target.Path != "" {
		file = path.Join(path.Dir(from), target.Path)
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
		return "there is no such file"
	}
	if target.Fragment != "" && !anchors(documents[file])[target.Fragment] {
		return "no heading makes that fragment"
	}
	return ""
}

// checkTestNames: a link to a Go file whose text names tests leads to where they are.
func checkTestNames(t *testing.T, document, text, target string) {
	t.Helper()
	file := path.Join(path.Dir(document), target)
	declared, err := functions(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		t.Errorf("%s: %v", document, err)
		return
	}
	for _, name := range testForm.FindAllString(text, -1) {
		if !slices.Contains(declared, name) {
			t.Errorf("%s: %s is not in %s", document, name, file)
		}
	}
}

// tables returns the rows below each table header of that text, cells trimmed.
func tables(document, header string) [][]string {
	var rows [][]string
	inTable := false
	for line := range strings.Lines(document) {
		line = strings.TrimSpace(line)
		switch {
		case line == header:
			inTable = true
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case inTable && !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// quoted returns what stands between backquotes.
func quoted(cell string) []string {
	var words []string
	for _, match := range codeForm.FindAllStringSubmatch(cell, -1) {
		words = append(words, match[1])
	}
	return words
}

// TestWalksNameWhatExists: every row of a walk names a file, and functions that this file declares.
func TestWalksNameWhatExists(t *testing.T) {
	rows := tables(readDocument(t, "docs/architecture.md"), "| file | functions | what happens |")
	if len(rows) < 50 {
		t.Fatalf("found only %d rows: the walks have another header now", len(rows))
	}
	for _, row := range rows {
		file := strings.Trim(row[0], "`")
		declared, err := functions(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		names := quoted(row[1])
		if len(names) == 0 {
			t.Errorf("%s: the row names no function", file)
		}
		for _, name := range names {
			if !slices.Contains(declared, name) {
				t.Errorf("%s has no function %s", file, name)
			}
		}
	}
}

func readDocument(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// functions lists what a Go file declares: functions by name, methods as Type.name.
func functions(file string) ([]string, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range syntax.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := f.Name.Name
		if f.Recv != nil {
			name = receiver(f.Recv.List[0].Type) + "." + name
		}
		names = append(names, name)
	}
	return names, nil
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestHouseIsTheImportTable: the table of folders says what internal/archtest enforces, in the same order.
func TestHouseIsTheImportTable(t *testing.T) {
	var documented []string
	for _, row := range tables(readDocument(t, "docs/architecture.md"), "| folder | what it is | may import |") {
		documented = append(documented, strings.Trim(row[0], "`")+": "+strings.Join(quoted(row[2]), " "))
	}
	enforced, err := importRows(filepath.Join(root, "internal", "archtest", "table_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(enforced, documented); d != "" {
		t.Errorf("docs/architecture.md differs from internal/archtest (-archtest +document):\n%s", d)
	}
}

// importRows reads the variable imports of the import table as "folder: folder folder …".
func importRows(file string) ([]string, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var rows []string
	ast.Inspect(syntax, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "imports" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			words := literals(e)
			rows = append(rows, words[0]+": "+strings.Join(words[1:], " "))
		}
		return false
	})
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s has no variable imports", file)
	}
	return rows, nil
}

// literals returns the texts below a node in order.
func literals(n ast.Node) []string {
	var words []string
	ast.Inspect(n, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if word, err := strconv.Unquote(l.Value); err == nil {
				words = append(words, word)
			}
		}
		return true
	})
	return words
}

// yamlForm finds the YAML blocks of a document.
var yamlForm = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// TestDefinitionsOfTheReadmeAreValid: what newcomers copy has no fault.
func TestDefinitionsOfTheReadmeAreValid(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, block := range yamlForm.FindAllStringSubmatch(readDocument(t, "README.md"), -1) {
		if !strings.Contains(block[1], "\nprotocolType:") {
			continue // a configuration, or the line for editors alone
		}
		file := filepath.Join(dir, fmt.Sprintf("definition%d.yaml", len(files)))
		if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if len(files) != 2 {
		t.Fatalf("found %d definitions, want one of each kind", len(files))
	}
	_, problems, err := app.Validate(files, "sallyport")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p.Error())
	}
}
