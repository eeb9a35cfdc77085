package deployment

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// through reads a record and writes it again.
func through[R record](data []byte) ([]byte, error) {
	r, err := Decode[R](data)
	if err != nil {
		return nil, err
	}
	return Encode(r)
}

// TestSamples: what is published as a sample is what the types read and write, and what the schema allows.
func TestSamples(t *testing.T) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("records", document); err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]func([]byte) ([]byte, error){
		"frozen": through[Frozen], "live": through[Live], "node": through[Node], "question": through[Question], "answer": through[Answer],
	} {
		sample, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		sample = bytes.TrimSpace(sample)
		written, err := again(sample)
		if err != nil || !bytes.Equal(written, sample) {
			t.Errorf("%s was written again as %s, %v", name, written, err)
		}
		one, err := compiler.Compile("records#/$defs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(sample))
		if err != nil {
			t.Fatal(err)
		}
		if err := one.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, says := range map[string]string{
		`{}`:                          "version 0",
		`{"version":2,"apis":{}}`:     "update it",
		`{"version":1,"apis":3}`:      "malformed",
		`[`:                           "malformed",
		strings.Repeat(" ", 9<<20):    "too large",
		`{"version":"1","apis":null}`: "malformed",
	} {
		if _, err := Decode[Live]([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want an error with %q", text, err, says)
		}
	}
	l, err := Decode[Live]([]byte(`{"version":1,"later":true,"apis":{"chat":null}}`))
	if err != nil || len(l.APIs) != 0 {
		t.Errorf("an unknown member, and an API that is null: %v, %v", l, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"apis":{"chat":{"stages":{"prod":{"deploymentId":"3f0a9c11d2"}}}}}`))
	f.Add([]byte(`{"version":1,"apis":{"chat":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Decode[Live](data)
		if err != nil {
			return
		}
		for id, api := range l.APIs {
			if api == nil {
				t.Errorf("%q has nothing", id)
			}
		}
		written, err := Encode(l)
		if err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		if _, err := Decode[Live](written); err != nil {
			t.Errorf("what was written can't be read: %v", err)
		}
	})
}
