package definition

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// With -update the golden files and the published schema are written anew. A rewrite is a change of behaviour: read
// the difference before committing it.
var update = flag.Bool("update", false, "rewrite the golden files and the published schema")

// golden compares got with a file, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

// samples returns the documents of a folder.
func samples(t testing.TB, folder string) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.yaml", "*.json"} {
		found, err := filepath.Glob(filepath.Join("testdata", folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatalf("no samples in testdata/%s", folder)
	}
	return files
}

func TestGoodSamples(t *testing.T) {
	schema := compileSchema(t)
	for _, file := range samples(t, "good") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			document, problems := LoadFile(file)
			for _, p := range problems {
				t.Error(p.Error())
			}
			if document == nil {
				t.FailNow()
			}
			api, err := json.MarshalIndent(document.API, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file+".golden", append(api, '\n'))
			if err := schema.Validate(plain(t, file)); err != nil {
				t.Errorf("loads, but the schema refuses it: %v", err)
			}
		})
	}
}

func TestBadSamples(t *testing.T) {
	for _, file := range samples(t, "bad") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, problems := Load(filepath.Base(file), data)
			if len(problems) == 0 {
				t.Fatal("no problem was found")
			}
			var report strings.Builder
			for _, p := range problems {
				report.WriteString(p.Error() + "\n")
			}
			golden(t, file+".problems", []byte(report.String()))
		})
	}
}

// TestSchemaRefuses proves that the schema says no where Load does. Left out are the rules that no schema can know.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	for _, name := range []string{"words", "apiid", "missing", "list"} {
		file := filepath.Join("testdata", "bad", name+".yaml")
		if err := schema.Validate(plain(t, file)); err == nil {
			t.Errorf("the schema takes %s", file)
		}
	}
	for _, text := range []string{
		`{"name":"A","protocolType":"HTTP","routes":{},"cors":{}}`,
		`{"name":"A","protocolType":"HTTP","routes":{"GET /":{"integration":{"type":"MOCK","x":1}}}}`,
		`{"name":"A","protocolType":"HTTP","routes":{"GET /":{"integration":{}}}}`,
		`{"name":"A","protocolType":"HTTP","routes":{},"limits":"fast"}`,
		`{"name":"A","protocolType":"HTTP","routes":{},"limits":{"maxFrameBytes":"1"}}`,
		`{"name":12,"protocolType":"HTTP","routes":{}}`,
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err == nil {
			t.Errorf("the schema takes %s", text)
		}
		if _, problems := Load("a.json", []byte(text)); len(problems) == 0 {
			t.Errorf("Load takes %s", text)
		}
	}
	// Keys of the author's own are router.Check's matter; the schema knows their form for the editor's sake.
	for _, text := range []string{
		`{"name":"A","protocolType":"HTTP","routes":{"$other":{}}}`,
		`{"name":"A","protocolType":"HTTP","routes":{},"stages":{"a b":{}}}`,
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// plain reads a sample as editors do: YAML turned into the values of JSON, by the library's own decoder and not by ours.
func plain(t testing.TB, file string) any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".json") {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	var value any
	if err := yaml.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(stringKeys(value))
	if err != nil {
		t.Fatal(err)
	}
	if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return value
}

func stringKeys(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, each := range v {
			v[key] = stringKeys(each)
		}
	case map[any]any:
		out := make(map[string]any, len(v))
		for key, each := range v {
			text, _ := json.Marshal(key)
			out[strings.Trim(string(text), `"`)] = stringKeys(each)
		}
		return out
	case []any:
		for i, each := range v {
			v[i] = stringKeys(each)
		}
	}
	return value
}
