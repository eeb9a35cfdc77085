package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// The table of flags in the README stands between these two lines.
const (
	tableBegin = "<!-- flags: as in --help, kept equal by cmd/sallyport/readme_test.go -->"
	tableEnd   = "<!-- end of flags -->"
)

// TestReadmeListsEveryFlag: the README's table is what kong knows of the commands. The failure shows the lines that
// belong there.
func TestReadmeListsEveryFlag(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(readme), tableBegin+"\n")
	table, _, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatalf("README.md has no table between %s and %s", tableBegin, tableEnd)
	}
	if d := cmp.Diff(flagTable(t), table); d != "" {
		t.Errorf("the table of flags (-as the commands have them +README.md):\n%s", d)
	}
}

// flagRow is one flag with the commands that have it in the same form.
type flagRow struct {
	name, variable, standard, help string
	commands                       []string // as shown; count is how many they are
	count                          int
}

// flagTable renders the flags of all commands, each form of a flag once.
func flagTable(t *testing.T) string {
	t.Helper()
	parser, err := kong.New(&commands{}, kong.Name("sallyport"), kong.DefaultEnvars("SALLYPORT"), kong.Configuration(loadConfig))
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(false)
	var rows []*flagRow
	for _, leaf := range leaves {
		for _, group := range leaf.AllFlags(true) {
			for _, flag := range group {
				rows = addFlag(rows, flag, strings.TrimPrefix(leaf.Path(), "sallyport "))
			}
		}
	}
	var b strings.Builder
	b.WriteString("| flag | variable | default | commands | what |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		of := strings.Join(r.commands, ", ")
		if r.count == len(leaves) {
			of = "all"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.name, code(r.variable), code(r.standard), of, r.help)
	}
	return b.String()
}

func addFlag(rows []*flagRow, flag *kong.Flag, command string) []*flagRow {
	r := flagRow{name: "--" + flag.Name, standard: flag.Default}
	if !flag.IsBool() {
		placeholder := flag.PlaceHolder
		if placeholder == "" {
			placeholder = "VALUE"
		}
		r.name += "=" + placeholder
	}
	if len(flag.Envs) > 0 {
		r.variable = flag.Envs[0]
	}
	r.help = strings.TrimSuffix(strings.ReplaceAll(flag.Help, " ("+flag.Default+")", ""), ".")
	same := slices.IndexFunc(rows, func(o *flagRow) bool {
		return o.name == r.name && o.variable == r.variable && o.standard == r.standard && o.help == r.help
	})
	if same < 0 {
		same = len(rows)
		rows = append(rows, &r)
	}
	rows[same].count++
	rows[same].commands = appendCommand(rows[same].commands, command)
	return rows
}

// appendCommand puts the verbs of one parent together: "connections ls/get".
func appendCommand(list []string, command string) []string {
	parent, verb, nested := strings.Cut(command, " ")
	if last := len(list) - 1; nested && last >= 0 && strings.HasPrefix(list[last], parent+" ") {
		list[last] += "/" + verb
		return list
	}
	return append(list, command)
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
