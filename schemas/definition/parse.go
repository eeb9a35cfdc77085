package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parse reads the one document of a file. A nil node means that it can't be read at all.
func parse(file string, data []byte) (*yaml.Node, []Problem) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // the byte order mark that some editors write
	if json.Valid(data) {
		return parseJSON(data), nil
	}
	if filepath.Ext(file) == ".json" {
		return nil, []Problem{malformedJSON(file, data)}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	root, err := next(decoder)
	if errors.Is(err, io.EOF) || err == nil && isNothing(root) {
		return nil, []Problem{empty(file)}
	}
	if err != nil {
		return nil, []Problem{malformed(file, data, err)}
	}
	second, err := next(decoder)
	switch {
	case errors.Is(err, io.EOF):
		return root, nil
	case err != nil:
		return root, []Problem{malformed(file, data, err)}
	case isNothing(second):
		return root, nil
	}
	return root, []Problem{{
		File: file, Position: positionOf(second),
		Message: "a second document begins", Hint: "one file holds one API: give it a file of its own",
	}}
}

func empty(file string) Problem {
	return Problem{File: file, Position: Position{1, 1}, Message: "the document is empty", Hint: beginning}
}

// beginning is the hint for a file that is no definition at all.
const beginning = "a definition starts with name, protocolType and routes"

// next reads the next document of a stream and returns its content. io.EOF means that there is none.
func next(decoder *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		// The document is untrusted and the reader is not ours: a fault in it must not end the gateway.
		if r := recover(); r != nil {
			n, err = nil, fmt.Errorf("the YAML reader failed: %v", r)
		}
	}()
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return &document, nil
	}
	return document.Content[0], nil
}

// isNothing reports whether a document has no content: only comments, or a lone "---".
func isNothing(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.Value == "" && n.ShortTag() == "!!null"
}

func positionOf(n *yaml.Node) Position {
	return Position{Line: max(n.Line, 1), Column: max(n.Column, 1)}
}

// libraryPrefix is how the YAML library begins its messages. Its line is that of the surrounding block, or missing,
// or one too small; malformed finds a better one.
var libraryPrefix = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^yaml: (line \d+: )?`) })

// malformed says where and why text is no YAML.
func malformed(file string, text []byte, err error) Problem {
	message := libraryPrefix().ReplaceAllString(err.Error(), "")
	return Problem{
		File:     file,
		Position: failurePosition(text, message),
		Message:  "malformed YAML: " + message,
		Hint:     malformedHint(message),
	}
}

// malformedHint translates what the library says into what usually causes it.
func malformedHint(message string) string {
	for _, known := range []struct{ part, hint string }{
		{"cannot start any token", "indent by spaces, not tabs; quote text that begins with a special character"},
		{"mapping values are not allowed", "indent keys of one object equally; quote text that contains ': '"},
		{"did not find expected ',' or", "a { or [ above is not closed, or a comma is missing"},
		{"did not find expected node content", "a value is missing here, or a { or [ above is not closed"},
		{"could not find expected ':'", "a key is followed by ': '; indent the lines of a longer text"},
		{"did not find expected key", "indent keys of one object equally"},
		{"did not find expected '-' indicator", "indent items of one list equally"},
		{"unknown anchor", "an alias comes after the anchor that it names"},
		{"unexpected end of stream", "a quote is not closed"},
		{"control characters", "save the file as plain UTF-8 text"},
		{"UTF-8", "save the file as UTF-8"},
	} {
		if strings.Contains(message, known.part) {
			return known.hint
		}
	}
	return ""
}

// failurePosition finds where the YAML reader gives up: it feeds the text byte by byte and sees how much was asked
// for. That is right for bytes that the reader can't take. It is a few characters or a word late for the other faults,
// so they get the character that they are about, or else the beginning of their line.
func failurePosition(text []byte, message string) Position {
	source := &byteByByte{text: text}
	decoder := yaml.NewDecoder(source)
	for {
		if _, err := next(decoder); err != nil {
			break
		}
	}
	at := max(source.read-1, 0) // the last byte that was read; a line's end belongs to its line
	begin := bytes.LastIndexByte(text[:at], '\n') + 1
	line := text[begin:min(at+1, len(text))]
	switch {
	case strings.Contains(message, "control characters"), strings.Contains(message, "UTF-"):
	case strings.Contains(message, "mapping values"):
		at = begin + max(bytes.LastIndexByte(line, ':'), 0)
	case strings.Contains(message, "anchor"):
		at = begin + max(bytes.LastIndexByte(line, '*'), 0)
	default:
		at = begin + len(line) - len(bytes.TrimLeft(line, " "))
	}
	return positionAt(text, at)
}

// positionAt is the place of a byte of the text.
func positionAt(text []byte, at int) Position {
	before := text[:min(at, len(text))]
	return Position{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1,
	}
}

// byteByByte is a reader that hands out one byte per call, so that read tells how far its user has come.
type byteByByte struct {
	text []byte
	read int
}

func (b *byteByByte) Read(p []byte) (int, error) {
	if b.read == len(b.text) {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	p[0] = b.text[b.read]
	b.read++
	return 1, nil
}
