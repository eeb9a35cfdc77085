package definition

import (
	"os"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport/sallyport/gateway"
)

func TestSchemaEqualsTypes(t *testing.T) {
	generated, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "definition.schema.json", generated)
	if *update {
		return // the embedded copy is that of before
	}
	if string(Schema()) != string(generated) {
		t.Error("Schema() is not what the types say; run go test ./schemas/definition -update")
	}
}

// fieldsOf returns the annotation keys of all fields below a shape, and the types on the way.
func fieldsOf(s *shape, fields map[string]field, types map[string]bool) {
	if s == nil {
		return
	}
	if s.form == formObject || s.form == formEither {
		types[s.typ.Name()] = true
	}
	for _, f := range s.fields {
		fields[s.key(f)] = f
		fieldsOf(f.shape, fields, types)
	}
	for _, inner := range []*shape{s.elem, s.text, s.object} {
		fieldsOf(inner, fields, types)
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	fields, types := make(map[string]field), make(map[string]bool)
	fieldsOf(documentShape(), fields, types)
	notes, titles := annotations(), typeNotes()
	for key, f := range fields {
		note, ok := notes[key]
		if !ok || note.description == "" {
			t.Errorf("%s has no description in annotations.go", key)
		}
		if s := f.shape; s.form == formInteger && note.min == nil {
			t.Errorf("%s has no smallest value in annotations.go", key)
		} else if s.form == formText && s.words == nil && len(note.examples) == 0 {
			t.Errorf("%s has no example in annotations.go", key)
		}
	}
	for key := range notes {
		if _, ok := fields[key]; !ok {
			t.Errorf("annotations.go describes %s, which no document has", key)
		}
	}
	for name := range types {
		if note := titles[name]; note.title == "" || note.description == "" {
			t.Errorf("%s has no title and description in annotations.go", name)
		}
	}
	for name := range titles {
		if !types[name] {
			t.Errorf("annotations.go describes the type %s, which no document has", name)
		}
	}
}

// TestEveryExportedFieldIsInTheDocument notices a Go field that got no json key.
func TestEveryExportedFieldIsInTheDocument(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[gateway.API](), reflect.TypeFor[gateway.Route](), reflect.TypeFor[gateway.Stage](),
		reflect.TypeFor[gateway.Integration](), reflect.TypeFor[gateway.IntegrationResponse](),
		reflect.TypeFor[gateway.LimitSettings](),
	} {
		if got := len(objectOf(typ).fields); got != typ.NumField() {
			t.Errorf("%v has %d fields, the document %d", typ, typ.NumField(), got)
		}
	}
}

// TestExamplesAreValid checks each example against the schema of its own field.
func TestExamplesAreValid(t *testing.T) {
	document, err := os.Open("definition.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer document.Close() //nolint:errcheck // only read
	value, err := jsonschema.UnmarshalJSON(document)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(SchemaURL, value); err != nil {
		t.Fatal(err)
	}
	checked := 0
	var walk func(node any, pointer string)
	walk = func(node any, pointer string) {
		object, ok := node.(map[string]any)
		if !ok {
			return
		}
		examples, _ := object["examples"].([]any)
		if standard, ok := object["default"]; ok {
			examples = append(examples, standard)
		}
		if len(examples) > 0 {
			schema, err := compiler.Compile(SchemaURL + "#" + pointer)
			if err != nil {
				t.Fatal(err)
			}
			for _, example := range examples {
				checked++
				if err := schema.Validate(example); err != nil {
					t.Errorf("%s: the example %v: %v", pointer, example, err)
				}
			}
		}
		for _, holder := range []string{"properties", "$defs"} {
			inner, _ := object[holder].(map[string]any)
			for key, each := range inner {
				walk(each, pointer+"/"+holder+"/"+key)
			}
		}
		either, _ := object["anyOf"].([]any)
		for i, each := range either {
			walk(each, pointer+"/anyOf/"+string(rune('0'+i)))
		}
	}
	walk(value, "")
	const some = 20
	if checked < some {
		t.Errorf("only %d examples were found", checked)
	}
}
