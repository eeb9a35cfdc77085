package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"path"
	"strings"
)

// maxLines is where a file is two files.
const maxLines = 500

// fault is a broken habit: rule and path name its exception.
type fault struct {
	rule, path, text string
}

func (f fault) key() string { return f.rule + " " + f.path }

// drawers are names under which anything could lie.
var drawers = map[string]bool{"util": true, "utils": true, "common": true, "helper": true, "helpers": true, "base": true, "misc": true, "shared": true}

// habitFaults checks every file by itself, and that each package says what it is.
func habitFaults(files []file) []fault {
	var faults []fault
	described := map[string]bool{}
	var folders []string // with code, in order of appearance
	for _, f := range files {
		faults = append(faults, fileFaults(f)...)
		if _, seen := described[f.folder]; !seen && !strings.HasSuffix(f.path, "_test.go") {
			folders = append(folders, f.folder)
			described[f.folder] = false
		}
		if f.syntax.Doc != nil && !strings.HasSuffix(f.path, "_test.go") {
			described[f.folder] = true
		}
	}
	for _, folder := range folders {
		if !described[folder] {
			faults = append(faults, fault{"comment", folder, folder + ": no package comment"})
		}
	}
	return faults
}

func fileFaults(f file) []fault {
	var faults []fault
	add := func(rule, text string) { faults = append(faults, fault{rule, f.path, text}) }
	if n := bytes.Count(f.text, []byte("\n")); n > maxLines {
		add("length", fmt.Sprintf("%s: %d lines, at most %d", f.path, n, maxLines))
	}
	if base := path.Base(f.folder); drawers[base] {
		add("drawer", fmt.Sprintf("%s: %s says nothing about what it does", f.path, base))
	}
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			add("init", f.line(fn)+": init runs unasked; internal/app names everything that runs")
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if rule, why := callFault(f, f.called(call)); rule != "" {
			add(rule, f.line(call)+": "+why)
		}
		return true
	})
	return faults
}

// callFault judges a call of a function of another package, such as net.Listen.
func callFault(f file, name string) (rule, why string) {
	main := f.syntax.Name.Name == "main"
	switch name {
	case "time.Sleep":
		if f.test {
			return "sleep", "a test waits for a signal or in virtual time"
		}
	case "context.WithValue":
		return "context", "a context carries deadline, cancellation and trace"
	case "net.Listen", "net.ListenTCP", "net.ListenUDP", "net.ListenUnix", "net.ListenPacket", "tls.Listen",
		"http.ListenAndServe", "http.ListenAndServeTLS":
		if !f.test && !below(f.folder, "edge") && !below(f.folder, "control") {
			return "listen", "edge and control own the listeners"
		}
	case "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
		if !main && !f.test {
			return "exit", "only main ends the process"
		}
	}
	return "", ""
}

// called names a called function by the last element of its package's path, or "" when it is none of a package.
func (f file) called(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	name, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for i, spec := range f.syntax.Imports {
		last := path.Base(f.imported()[i])
		if spec.Name != nil && spec.Name.Name == name.Name || spec.Name == nil && last == name.Name {
			return last + "." + selector.Sel.Name
		}
	}
	return ""
}
