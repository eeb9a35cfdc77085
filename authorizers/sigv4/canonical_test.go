package sigv4

import (
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

func TestCleanPath(t *testing.T) {
	for path, want := range map[string]string{
		"": "/", "/": "/", "//": "/", "/a": "/a", "/a/": "/a/", "a": "/a", "/prod//@connections/x": "/prod/@connections/x",
		"//a///b//": "/a/b/", "/a/./b": "/a/b", "/a/../b": "/b", "/../../b": "/b", "/a/..": "/", "/a/.hidden": "/a/.hidden",
		"/a/%2E%2E/b": "/a/%2E%2E/b", "/a%2Fb": "/a%2Fb",
	} {
		if got := cleanPath(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

// TestCanonicalPath: the bytes of the wire, encoded once more (contract/control-plane.md §3.3, §3.4).
func TestCanonicalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/prod/@connections/w=": "/prod/%40connections/w%3D", "/prod/%40connections/w%3D": "/prod/%2540connections/w%253D",
		"/$default/x": "/%24default/x", "/a+b c": "/a%2Bb%20c", "/~-._": "/~-._", "/ü": "/%C3%BC",
	} {
		b := appendEscaped(nil, cleanPath(path), "/")
		if string(b) != want {
			t.Errorf("%q: got %q, want %q", path, string(b), want)
		}
	}
}

func TestCanonicalQuery(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "mode=import": "mode=import", "flag": "flag=", "b=2&a=1&b=1": "a=1&b=1&b=2", "a=x+y": "a=x%2By", "a=%7e%2F": "a=~%2F",
		"&&a=1&": "a=1", "a==": "a=%3D", "a=%zz&b=%4": "a=%25zz&b=%254", "X-Amz-Signature=1&a=": "X-Amz-Signature=1&a=",
		"a=1&A=2": "A=2&a=1", "%61=1": "a=1",
	} {
		b := appendQuery(nil, query, false)
		if string(b) != want {
			t.Errorf("%q: got %q, want %q", query, string(b), want)
		}
	}
}

func TestCanonicalHeaders(t *testing.T) {
	h := gateway.Header{"X-One": {"  a   b "}, "X-Two": {"1", " 2"}, "x-three": {"b"}, "X-Three": {"a"}, "X-Tab": {"\ta\tb"}}
	for name, want := range map[string]string{"x-one": "a b", "x-two": "1,2", "x-three": "a,b", "x-tab": "a\tb", "x-none": ""} {
		b := appendValues(nil, h, name)
		if string(b) != want {
			t.Errorf("%s: got %q, want %q", name, string(b), want)
		}
	}
}

func TestWithoutSignature(t *testing.T) {
	for query, want := range map[string]string{
		presigned().Query:                         "token=a%20b",
		"X-Amz-Signature=1&a=%2B&b&X-Amz-Date=":   "a=%2B&b",
		"X-Amz-Signature=1":                       "",
		"X-Amz-Date=mine&a=1":                     "X-Amz-Date=mine&a=1",
		"a=%2B&X-Amz-Date=mine":                   "a=%2B&X-Amz-Date=mine",
		"a=1&X-Amz-Signatur%65=2&X-Amz-Date=3":    "a=1",
		"%58-Amz-Date=1&X-Amz-Signature=2&x-amz=": "x-amz=",
	} {
		if got := WithoutSignature(query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { _ = WithoutSignature("token=a&room=b") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
