package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

const modulePath = "github.com/sallyport/sallyport"

// file is one Go file of the module.
type file struct {
	path   string // from the module's root, with slashes
	folder string
	test   bool // a test, or part of a package for tests
	text   []byte
	syntax *ast.File
	set    *token.FileSet
}

// load parses all Go files of the module. It leaves out hidden folders, test data and what npm put there.
func load(root fs.FS) ([]file, error) {
	var files []file
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			base := path.Base(name)
			if name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return fs.SkipDir
			}
			if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil && name != "." {
				return fs.SkipDir // a module of its own
			}
			return nil
		case path.Ext(name) != ".go" || strings.HasPrefix(path.Base(name), "_"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := path.Dir(name)
		test := strings.HasSuffix(name, "_test.go") || strings.HasSuffix(folder, "test")
		files = append(files, file{path: name, folder: folder, test: test, text: text, syntax: syntax, set: set})
		return nil
	})
	return files, err
}

// imported lists the import paths of f.
func (f file) imported() []string {
	var list []string
	for _, spec := range f.syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err) // the parser has accepted it
		}
		list = append(list, name)
	}
	return list
}

// line is where a node stands, for messages.
func (f file) line(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.set.Position(n.Pos()).Line)
}

// below reports whether name is folder or lies in it.
func below(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

func anyAbove(name string, folders []string) bool {
	for _, f := range folders {
		if below(name, f) {
			return true
		}
	}
	return false
}
