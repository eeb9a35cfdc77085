package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parseJSON makes the node tree of valid JSON. YAML is nearly a superset of JSON, but its reader refuses what JSON
// writers emit (\/, \ud83d\ude00, keys of more than 1024 bytes), so JSON is read as JSON.
func parseJSON(data []byte) *yaml.Node {
	r := &jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.decoder.UseNumber()
	token, at := r.next()
	return r.node(token, at)
}

// malformedJSON says where and why data is no JSON.
func malformedJSON(file string, data []byte) Problem {
	var value any
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, &value); len(bytes.TrimSpace(data)) == 0 || !errors.As(err, &syntax) {
		return empty(file)
	}
	return Problem{
		File: file, Position: positionAt(data, int(syntax.Offset)-1),
		Message: "malformed JSON: " + syntax.Error(), Hint: "a file named .json holds JSON; YAML goes into a file named .yaml",
	}
}

// jsonReader walks through JSON that is known to be valid, and knows the place of each token.
type jsonReader struct {
	data    []byte
	decoder *json.Decoder

	// seen is how far position has come, line the line of that byte, before the characters in front of it there.
	seen, line, before int
}

// next returns the next token and its place.
func (r *jsonReader) next() (json.Token, Position) {
	start := int(r.decoder.InputOffset())
	for start < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[start]) >= 0 {
		start++
	}
	token, err := r.decoder.Token()
	if err != nil { // not with valid JSON
		return nil, Position{}
	}
	return token, r.position(start)
}

// position returns the place of a byte at or after the last one asked for.
func (r *jsonReader) position(at int) Position {
	for ; r.seen < at; r.seen++ {
		switch b := r.data[r.seen]; {
		case b == '\n':
			r.line++
			r.before = 0
		case utf8.RuneStart(b):
			r.before++
		}
	}
	return Position{Line: r.line, Column: r.before + 1}
}

// node makes the node of the value that begins with token.
func (r *jsonReader) node(token json.Token, at Position) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: at.Line, Column: at.Column}
	switch value := token.(type) {
	case json.Delim:
		n.Kind, n.Tag, n.Style = yaml.MappingNode, "!!map", yaml.FlowStyle
		if value == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		}
		for r.decoder.More() {
			n.Content = append(n.Content, r.node(r.next()))
		}
		r.next() // the closing bracket
	case string:
		n.Tag, n.Value, n.Style = "!!str", value, yaml.DoubleQuotedStyle
	case json.Number:
		n.Tag, n.Value = "!!int", value.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Value = "!!bool", "false"
		if value {
			n.Value = "true"
		}
	default:
		n.Tag = "!!null"
	}
	return n
}
