package mapping

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// FuzzScan: members and items are those that encoding/json finds, which takes the last of equal names too.
func FuzzScan(f *testing.F) {
	for _, body := range []string{chatBody, shopBody, `{"a":"x","a":"y"}`, `{"\u0061":1,"a":[{}]}`, `[ ]`, `{"a\\":"\\\"","":{"x":[-1.5e3 , true]}}`, `"{"`, `[[],[]]`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !utf8.Valid(body) || !Valid(body) {
			memberOf(string(body)+" ", "a") // ends, whatever it finds
			itemOf(string(body)+" ", 1)
			return
		}
		text := string(body)
		text = text[skipSpace(text, 0):]
		switch text[0] {
		case '{':
			var all map[string]json.RawMessage
			if err := json.Unmarshal(body, &all); err != nil {
				return // gjson takes some control characters
			}
			for name, want := range all {
				if !utf8.ValidString(name) {
					continue
				}
				same(t, name, memberOf(text, name), want)
			}
			if _, ok := all["no such member"]; !ok && memberOf(text, "no such member") != "" {
				t.Fatal("found what is not there")
			}
		case '[':
			var all []json.RawMessage
			if err := json.Unmarshal(body, &all); err != nil {
				return
			}
			for i, want := range all {
				same(t, "item", itemOf(text, i), want)
			}
			if got := itemOf(text, len(all)); got != "" {
				t.Fatalf("behind the last item: %q", got)
			}
		}
	})
}

func same(t *testing.T, name, got string, want json.RawMessage) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%s: %q is no value: %v", name, got, err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		return
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%s: got %q, want %q", name, got, want)
	}
}
