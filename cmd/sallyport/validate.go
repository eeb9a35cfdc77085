package main

import (
	"encoding/json"
	"fmt"

	"github.com/sallyport/sallyport/internal/app"
)

type validateCommand struct {
	Files  []string `arg:"" name:"file" help:"API definitions, one API each."`
	Prefix string   `default:"sallyport" placeholder:"TOKEN" help:"First token of every subject, as given to serve (${default})."`
	JSON   bool     `help:"Print each fault as a JSON object on a line of its own."`
}

// Help shows an example.
func (validateCommand) Help() string {
	return `Example:

    sallyport validate examples/chat/*.yaml

Prints "file:line:column: what is wrong (what would be right)" for each fault of each file, and exits
with 1 when there is one. A fault within a template is shown with the template's line and a caret.`
}

// Run checks the files.
func (c validateCommand) Run(std streams) error {
	files, err := expand(c.Files)
	if err != nil {
		return err
	}
	routes, problems, err := app.Validate(files, c.Prefix)
	if err != nil {
		return err
	}
	for _, p := range problems {
		if c.JSON {
			err = json.NewEncoder(std.out).Encode(struct {
				File    string `json:"file"`
				Line    int    `json:"line"`
				Column  int    `json:"column"`
				Message string `json:"message"`
				Hint    string `json:"hint,omitempty"`
				Excerpt string `json:"excerpt,omitempty"`
			}{p.File, p.Line, p.Column, p.Message, p.Hint, p.Excerpt})
		} else {
			_, err = fmt.Fprintln(std.out, p.Error())
		}
		if err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		fmt.Fprintf(std.err, "%s in %s\n", count(len(problems), "fault"), count(len(files), "file"))
		return errReported
	}
	fmt.Fprintf(std.err, "%s, %s, no fault\n", count(len(files), "file"), count(routes, "route"))
	return nil
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
