package definition

import (
	"bytes"
	_ "embed"
	"encoding/json"
)

// SchemaURL is where the JSON Schema of this version's documents is published. Editors find it by the line
// "# yaml-language-server: $schema=URL" at a document's top.
const SchemaURL = "https://raw.githubusercontent.com/sallyport/sallyport/main/schemas/definition/definition.schema.json"

const dialect = "https://json-schema.org/draft/2020-12/schema"

//go:embed definition.schema.json
var published []byte

// Schema returns the JSON Schema (draft 2020-12) of a definition document, as published in
// schemas/definition/definition.schema.json. A test keeps it equal to the Go types.
func Schema() []byte { return bytes.Clone(published) }

// schemaNode is a JSON Schema, its keywords in the order in which people read them.
type schemaNode struct {
	Dialect              string        `json:"$schema,omitempty"`
	ID                   string        `json:"$id,omitempty"`
	Ref                  string        `json:"$ref,omitempty"`
	Title                string        `json:"title,omitempty"`
	Description          string        `json:"description,omitempty"`
	Type                 string        `json:"type,omitempty"`
	Enum                 []string      `json:"enum,omitempty"`
	Pattern              string        `json:"pattern,omitempty"`
	MinLength            int           `json:"minLength,omitempty"`
	Minimum              *int          `json:"minimum,omitempty"`
	Maximum              *int          `json:"maximum,omitempty"`
	Default              any           `json:"default,omitempty"`
	Examples             []any         `json:"examples,omitempty"`
	AnyOf                []*schemaNode `json:"anyOf,omitempty"`
	Items                *schemaNode   `json:"items,omitempty"`
	Required             []string      `json:"required,omitempty"`
	Properties           members       `json:"properties,omitempty"`
	PropertyNames        *schemaNode   `json:"propertyNames,omitempty"`
	AdditionalProperties any           `json:"additionalProperties,omitempty"` // false or *schemaNode
	Defs                 members       `json:"$defs,omitempty"`
}

// members is a JSON object that keeps its order.
type members []member

type member struct {
	name string
	node *schemaNode
}

// MarshalJSON writes the object in the order of its members.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, each := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(each.name)
		if err != nil {
			return nil, err
		}
		node, err := marshal(each.node)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(node)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal is json.Marshal that leaves <, > and & as they are: people read the result.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// generate writes the schema from the shape of gateway.API and the annotations.
func generate() ([]byte, error) {
	w := &schemaWriter{notes: annotations(), types: typeNotes(), known: make(map[string]bool)}
	document := documentShape()
	root := w.objectSchema(document)
	root.Dialect, root.ID, root.Defs = dialect, SchemaURL, w.defs
	text, err := marshal(root)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// schemaWriter collects the objects that are referred to by name.
type schemaWriter struct {
	notes map[string]annotation
	types map[string]typeNote
	defs  members
	known map[string]bool
}

// schema returns the schema of a value; that of an object or an either is a reference to its definition.
func (w *schemaWriter) schema(s *shape) *schemaNode {
	switch s.form {
	case formText:
		return &schemaNode{Type: "string", Enum: s.words}
	case formInteger:
		return &schemaNode{Type: "integer"}
	case formNumber:
		return &schemaNode{Type: "number"}
	case formJSON:
		return &schemaNode{Type: "object"}
	case formBoolean:
		return &schemaNode{Type: "boolean"}
	case formList:
		return &schemaNode{Type: "array", Items: w.schema(s.elem)}
	case formMap:
		return &schemaNode{Type: "object", AdditionalProperties: w.schema(s.elem)}
	case formEither:
		return w.define(s.typ.Name(), func() *schemaNode { return w.eitherSchema(s) })
	default:
		return w.define(s.typ.Name(), func() *schemaNode { return w.objectSchema(s) })
	}
}

// define makes a definition on the first use of its name and returns a reference to it.
func (w *schemaWriter) define(name string, node func() *schemaNode) *schemaNode {
	if !w.known[name] {
		w.known[name] = true
		at := len(w.defs)
		w.defs = append(w.defs, member{name: name})
		w.defs[at].node = node()
	}
	return &schemaNode{Ref: "#/$defs/" + name}
}

func (w *schemaWriter) eitherSchema(s *shape) *schemaNode {
	note := w.types[s.typ.Name()]
	object := w.schema(s.object)
	if s.objectField < 0 { // the struct itself: its definition is the one being made
		object = w.objectSchema(s.object)
		object.Title, object.Description = "", ""
	}
	return &schemaNode{
		Title: note.title, Description: note.description,
		AnyOf: []*schemaNode{w.schema(s.text), object},
	}
}

func (w *schemaWriter) objectSchema(s *shape) *schemaNode {
	note := w.types[s.typ.Name()]
	node := &schemaNode{
		Title: note.title, Description: note.description,
		Type: "object", AdditionalProperties: false,
	}
	for _, f := range s.fields {
		node.Properties = append(node.Properties, member{f.name, w.property(f.shape, w.notes[s.key(f)])})
		if f.required {
			node.Required = append(node.Required, f.name)
		}
	}
	return node
}

// property adds a field's annotation to the schema of its value.
func (w *schemaWriter) property(s *shape, note annotation) *schemaNode {
	node := w.schema(s)
	node.Description, node.Default, node.Examples = note.description, note.standard, note.examples
	node.Minimum, node.Maximum = note.min, note.max
	node.MinLength, node.Pattern = note.minLength, note.pattern
	if note.keys != "" {
		node.PropertyNames = &schemaNode{Pattern: note.keys}
	}
	return node
}
