package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sallyport/sallyport/internal/app"
	"github.com/sallyport/sallyport/router/vtl"
)

type templateCommand struct {
	Render templateRenderCommand `cmd:"" help:"Render a mapping template on a sample event."`
}

type templateRenderCommand struct {
	Template  string `arg:"" help:"File with the template; - for standard input."`
	Event     string `required:"" placeholder:"FILE" help:"JSON file with what the template sees; what it leaves out is empty."`
	Overrides bool   `help:"Print the overrides that the template set, as JSON, instead of its output."`
}

// Help shows an example.
func (templateRenderCommand) Help() string {
	return `Example:

    sallyport template render request.vtl --event event.json

with event.json such as

    {"body": "{\"pet\":\"cat\"}", "params": {"path": {"id": "7"}, "querystring": {}, "header": {}},
     "context": {"stage": "dev"}, "stageVariables": {"table": "pets"}}

Prints exactly what the template renders to, without a newline of its own. A faulty template is shown
with its place on standard error, and the exit code is 1.`
}

// maxEvent bounds the sample: a request's payload, its escapes in JSON, and room for the rest.
const maxEvent = 4 * vtl.MaxOutput

// sampleEvent is the file of --event.
type sampleEvent struct {
	Body   sampleBody `json:"body"`
	Params struct {
		Path        json.RawMessage `json:"path"`
		Querystring json.RawMessage `json:"querystring"`
		Header      json.RawMessage `json:"header"`
	} `json:"params"`
	Context        json.RawMessage `json:"context"`
	StageVariables json.RawMessage `json:"stageVariables"`
}

// sampleBody is a string, or any other JSON value for its own text.
type sampleBody string

// UnmarshalJSON takes both.
func (b *sampleBody) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil {
		*b = sampleBody(text)
	} else if s != nil {
		*b = sampleBody(*s)
	}
	return nil
}

// Run renders the template.
func (c templateRenderCommand) Run(std streams) error {
	text, err := c.read(std, c.Template, vtl.MaxTemplate)
	if err != nil {
		return err
	}
	sample, err := c.sample(std)
	if err != nil {
		return err
	}
	template, err := vtl.Parse(c.Template, string(text), vtl.Options{})
	if err != nil {
		return showFault(std.err, err)
	}
	result, err := template.Render(nil, vtl.Input{
		Body: []byte(sample.Body),
		Params: vtl.Params{
			Path:        vtl.JSON(sample.Params.Path),
			Querystring: vtl.JSON(sample.Params.Querystring),
			Header:      vtl.JSON(sample.Params.Header),
		},
		Context:        vtl.JSON(sample.Context),
		StageVariables: vtl.JSON(sample.StageVariables),
	})
	if err != nil {
		return showFault(std.err, err)
	}
	if c.Overrides {
		encoder := json.NewEncoder(std.out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(result.Overrides)
	}
	_, err = std.out.Write(result.Output)
	return err
}

// sample reads the file of --event.
func (c templateRenderCommand) sample(std streams) (*sampleEvent, error) {
	text, err := c.read(std, c.Event, maxEvent)
	if err != nil {
		return nil, err
	}
	var sample sampleEvent
	if err := json.Unmarshal(text, &sample); err != nil {
		return nil, fmt.Errorf("--event %s is no sample event: %w", c.Event, err)
	}
	for _, member := range []struct {
		name string
		text json.RawMessage
	}{
		{"params.path", sample.Params.Path},
		{"params.querystring", sample.Params.Querystring},
		{"params.header", sample.Params.Header},
		{"context", sample.Context},
		{"stageVariables", sample.StageVariables},
	} {
		if len(member.text) > 0 && member.text[0] != '{' && string(member.text) != "null" {
			return nil, fmt.Errorf("--event %s is no sample event: %s is no object", c.Event, member.name)
		}
	}
	return &sample, nil
}

// read reads a file, or standard input for -, of at most limit bytes.
func (c templateRenderCommand) read(std streams, name string, limit int64) ([]byte, error) {
	in := std.in
	if name != "-" {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, app.Usagef("%s: there is no such file", name)
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", name, limit)
	}
	return text, nil
}

// showFault prints a template's fault with its line and a caret.
func showFault(w io.Writer, err error) error {
	var fault *vtl.Error
	if !errors.As(err, &fault) {
		return err
	}
	fmt.Fprintf(w, "%s\n%s\n", fault.Error(), fault.Excerpt())
	return errReported
}
