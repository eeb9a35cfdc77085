package sigv4

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

func FuzzParseAuthorization(f *testing.F) {
	for _, seed := range []string{
		push().Header["Authorization"][0], "", " ", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ,,", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e",
		"AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=;,Signature=0", "AWS4-HMAC-SHA256 Credential=////,SignedHeaders=host,Signature==",
		"AWS4-ECDSA-P256-SHA256 Credential=a", "AWS4-HMAC-SHA256 Signature=1,Signature=2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		a, missing, err := parseAuthorization(header)
		if err != nil || len(missing) > 0 {
			if a != nil || err != nil && (err.Type != TypeIncompleteSignature || err.Message == "") {
				t.Fatalf("%v, %v, error %#v", a, missing, err)
			}
			return
		}
		if a.AccessKeyID == "" || a.Signature == "" || len(a.SignedHeaders) == 0 || a.AccessKeyID+"/"+a.Scope() != a.Credential {
			t.Fatalf("%q gives %+v", header, a)
		}
		again, _, err := parseAuthorization("AWS4-HMAC-SHA256 Credential=" + a.Credential + ",SignedHeaders=" + strings.Join(a.SignedHeaders, ";") + ",Signature=" + a.Signature)
		if err != nil || again == nil || again.Credential != a.Credential || again.Signature != a.Signature {
			t.Fatalf("%q, written again: %+v, %v", header, again, err)
		}
	})
}

// FuzzVerify: nothing but the right signature gets through, and nothing makes it fall.
func FuzzVerify(f *testing.F) {
	for _, r := range []*Request{push(), presigned()} {
		f.Add(r.Method, r.Host, r.Path, r.Query, r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Content-Sha256"), r.Body)
	}
	v := newVerifier(f, nil)
	f.Fuzz(func(t *testing.T, method, host, path, query, authorization, date, hash string, body []byte) {
		r := &Request{Method: method, Host: host, Path: path, Query: query, Body: body, Header: gateway.Header{}}
		for name, value := range map[string]string{"Authorization": authorization, "x-amz-date": date, "X-Amz-Content-Sha256": hash} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		key, err := v.Verify(t.Context(), r)
		if err == nil && (key.ID != exampleID || collapse(host) != push().Host) {
			t.Fatalf("%+v was let in", r)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Type == "" || len(e.Body()) == 0) {
			t.Fatalf("error %#v", err)
		}
	})
}

func FuzzCleanPath(f *testing.F) {
	for _, seed := range []string{"", "/", "/a/../b//c/./", "a", "/..", "/.a/b..", "//"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		clean := cleanPath(path)
		if !strings.HasPrefix(clean, "/") || strings.Contains(clean, "//") || strings.Contains(clean+"/", "/../") || strings.Contains(clean+"/", "/./") {
			t.Fatalf("%q becomes %q", path, clean)
		}
		if cleanPath(clean) != clean {
			t.Fatalf("%q becomes %q, and that %q", path, clean, cleanPath(clean))
		}
		if got := unescape(escape(path)); got != path {
			t.Fatalf("%q, encoded and decoded: %q", path, got)
		}
	})
}
