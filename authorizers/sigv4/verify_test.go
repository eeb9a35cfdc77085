package sigv4

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/gateway"
)

// The keys of the known answers (contract/control-plane.md §3.16).
const (
	exampleID     = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	exampleScope  = "/20260101/us-east-1/execute-api/aws4_request"
)

var exampleTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// keyring is the Keys of the tests.
type keyring map[string]accesskeys.Key

func (k keyring) Key(_ context.Context, id string) (accesskeys.Key, error) {
	key, ok := k[id]
	if !ok {
		return accesskeys.Key{}, accesskeys.ErrUnknown
	}
	return key, nil
}

func exampleKeys() keyring {
	return keyring{
		exampleID:   {ID: exampleID, Secret: exampleSecret},
		"AKIDEMPTY": {ID: "AKIDEMPTY"},
	}
}

func newVerifier(t testing.TB, change func(*Config)) *Verifier {
	t.Helper()
	c := Config{Keys: exampleKeys(), Services: []string{ServiceExecuteAPI, "apigateway"}, Now: func() time.Time { return exampleTime }}
	if change != nil {
		change(&c)
	}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// push is the first known answer: what botocore signs of a callback.
func push() *Request {
	return &Request{
		Method: "POST", Host: "abc.execute-api.us-east-1.amazonaws.com", Path: "/prod/@connections/L0SM9cOFvHcCIhw%3D", Body: []byte("hello"),
		Header: gateway.Header{
			"X-Amz-Date": {"20260101T000000Z"},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=" + exampleID + exampleScope +
				", SignedHeaders=host;x-amz-date, Signature=8569b3e94d16baad1a3116d38672bf647bf10d57716dd0dd323122edb8054af5"},
		},
	}
}

// presigned is the third: a link, good for five minutes.
func presigned() *Request {
	return &Request{
		Method: "GET", Host: "abc.execute-api.us-east-1.amazonaws.com", Path: "/prod",
		Query: "token=a%20b&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260101%2Fus-east-1%2Fexecute-api%2Faws4_request" +
			"&X-Amz-Date=20260101T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host" +
			"&X-Amz-Signature=a2166298c51ac3dd98db5e9456dbe42b5a4a27b38649b8642a1493a009fe1850",
	}
}

// TestKnownAnswers are signatures that real client libraries made (contract/control-plane.md §3.16).
func TestKnownAnswers(t *testing.T) {
	hashed := push()
	hashed.Header["X-Amz-Content-Sha256"] = []string{"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
	hashed.Header["Authorization"] = []string{"AWS4-HMAC-SHA256 Credential=" + exampleID + exampleScope +
		", SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=ae4451817f683345b44677a304004f34695ed62362ccb58ba680ace48e399275"}
	tags := &Request{
		Method: "DELETE", Host: "apigateway.us-east-1.amazonaws.com",
		Path: "/v2/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fapis%2Fa1", Query: "tagKeys=b&tagKeys=a%2Bb",
		Header: gateway.Header{
			"X-Amz-Date": {"20260101T000000Z"},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/apigateway/aws4_request, SignedHeaders=host;x-amz-date, " +
				"Signature=2aaee12fe6ced18fb3f2e97c2b3546d4fbec709a6b7251e1dfb00a9724a930e9"},
		},
	}
	tight := push()
	tight.Header["Authorization"][0] = strings.ReplaceAll(tight.Header["Authorization"][0], ", ", ",")
	lower := push()
	lower.Header = gateway.Header{"authorization": lower.Header["Authorization"], "x-amz-date": lower.Header["X-Amz-Date"]}
	doubled := push()
	doubled.Path = "/prod//@connections/./x/../L0SM9cOFvHcCIhw%3D"
	for name, r := range map[string]*Request{
		"botocore": push(), "content hash": hashed, "presigned": presigned(), "ARN and plus": tags, "no space after commas": tight,
		"lower-case names": lower, "path that clients clean before they sign": doubled,
	} {
		t.Run(name, func(t *testing.T) {
			key, err := newVerifier(t, nil).Verify(t.Context(), r)
			if err != nil || key.ID != exampleID {
				t.Errorf("key %q, error %v", key.ID, err)
			}
			if err := newVerifier(t, nil).Precheck(t.Context(), r); err != nil {
				t.Error("precheck:", err)
			}
		})
	}
}

// TestTampering: whatever is signed can't be changed.
func TestTampering(t *testing.T) {
	for name, change := range map[string]func(*Request){
		"method":                 func(r *Request) { r.Method = "DELETE" },
		"host":                   func(r *Request) { r.Host += ":8080" },
		"path":                   func(r *Request) { r.Path = strings.Replace(r.Path, "L0", "L1", 1) },
		"path encoded otherwise": func(r *Request) { r.Path = strings.Replace(r.Path, "@", "%40", 1) },
		"path decoded":           func(r *Request) { r.Path = strings.Replace(r.Path, "%3D", "=", 1) },
		"query":                  func(r *Request) { r.Query = "code=4000" },
		"body":                   func(r *Request) { r.Body = []byte("hello!") },
		"date within the skew":   func(r *Request) { r.Header["X-Amz-Date"] = []string{"20260101T000001Z"} },
		"fewer signed headers": func(r *Request) {
			r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], ";x-amz-date", "", 1)
		},
		"signature cut short": func(r *Request) {
			r.Header["Authorization"][0] = strings.TrimSuffix(r.Header["Authorization"][0], "5")
		},
		"region": func(r *Request) {
			r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], "us-east-1", "eu-west-1", 1)
		},
		"unsigned payload": func(r *Request) { r.Header["X-Amz-Content-Sha256"] = []string{"UNSIGNED-PAYLOAD"} },
	} {
		t.Run(name, func(t *testing.T) {
			r := push()
			change(r)
			_, err := newVerifier(t, nil).Verify(t.Context(), r)
			var e *Error
			if !errors.As(err, &e) || e.Type != TypeInvalidSignature || !strings.HasPrefix(e.Message, "The request signature we calculated does not match") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestRefusals has each way to fail with what the client is told (contract/control-plane.md §3.15).
func TestRefusals(t *testing.T) {
	authorization := func(from, to string) func(*Request) {
		return func(r *Request) {
			r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], from, to, 1)
		}
	}
	query := func(from, to string) func(*Request) {
		return func(r *Request) { *r = *presigned(); r.Query = strings.Replace(r.Query, from, to, 1) }
	}
	const (
		hashed       = "(Hashed with SHA-256 and encoded with Base64) Authorization="
		noCredential = "Authorization header requires 'Credential' parameter. "
		noSignature  = "Authorization header requires 'Signature' parameter. "
		noHeaders    = "Authorization header requires 'SignedHeaders' parameter. "
		noDate       = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
		elements     = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "
		params       = "AWS query-string parameters must include "
		again        = ". Re-examine the query-string parameters."
		expires      = "X-Amz-Expires must be a number of seconds between 1 and 604800."
		unknown      = "The security token included in the request is invalid."
	)
	for _, test := range []struct {
		name      string
		change    func(*Request)
		config    func(*Config)
		errorType string
		message   string // its beginning
	}{
		{"unsigned", func(r *Request) { delete(r.Header, "Authorization") }, nil, TypeMissingToken, "Missing Authentication Token"},
		{"unsigned with a query", func(r *Request) { *r = Request{Method: "GET", Query: "x-amz-signature=1"} }, nil, TypeMissingToken, "Missing Authentication Token"},
		{"bearer", func(r *Request) { r.Header = gateway.Header{"Authorization": {"Bearer s3cret"}} }, nil, TypeIncompleteSignature,
			noCredential + noSignature + noHeaders + noDate + hashed},
		{"empty header", func(r *Request) { r.Header["Authorization"] = []string{""} }, nil, TypeIncompleteSignature, noCredential + noSignature + noHeaders + hashed},
		{"no credential", authorization("Credential=", "Credentials="), nil, TypeIncompleteSignature, noCredential + hashed},
		{"no signature", authorization("Signature=", "Sig="), nil, TypeIncompleteSignature, noSignature + hashed},
		{"no signed headers", authorization("SignedHeaders=host;x-amz-date", "SignedHeaders="), nil, TypeIncompleteSignature, noHeaders + hashed},
		{"no date", func(r *Request) { delete(r.Header, "X-Amz-Date") }, nil, TypeIncompleteSignature, noDate + hashed},
		{"malformed date", func(r *Request) { r.Header["X-Amz-Date"] = []string{"yesterday"} }, nil, TypeIncompleteSignature,
			"Date must be in ISO-8601 'basic format'. Got 'yesterday'. See http://en.wikipedia.org/wiki/ISO_8601"},
		{"no equal-sign", authorization("SignedHeaders=", "SignedHeaders:"), nil, TypeIncompleteSignature,
			"Authorization header has a part that is not a valid key=value pair (missing equal-sign). " + hashed},
		{"a parameter twice", authorization("SignedHeaders=", "Signature=1, SignedHeaders="), nil, TypeIncompleteSignature,
			"Authorization header has a parameter twice. " + hashed},
		{"two headers", func(r *Request) { r.Header["authorization"] = []string{"Bearer x"} }, nil, TypeIncompleteSignature, "There is more than one Authorization header."},
		{"another algorithm", authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), nil, TypeIncompleteSignature,
			"Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'."},
		{"credential with few parts", authorization("/aws4_request", ""), nil, TypeIncompleteSignature, elements + "'AKIDEXAMPLE/20260101/us-east-1/execute-api'"},
		{"credential without id", authorization("AKIDEXAMPLE", ""), nil, TypeIncompleteSignature, elements + "'" + exampleScope + "'"},
		{"empty header name", authorization("host;", "host;;"), nil, TypeIncompleteSignature, "SignedHeaders has an empty name."},
		{"too many header names", authorization("host;", strings.Repeat("host;", 200)), nil, TypeIncompleteSignature, "SignedHeaders lists more than 128 headers."},
		{"huge header", authorization("host;", strings.Repeat("host;", 20000)), nil, TypeIncompleteSignature, "Authorization header is longer than 16384 bytes."},
		{"huge query", func(r *Request) { r.Query = strings.Repeat("a", 1<<17) }, nil, TypeIncompleteSignature, "The query string is longer than 65536 bytes."},

		{"terminator", authorization("aws4_request", "aws5_request"), nil, TypeInvalidSignature,
			"Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
		{"region", nil, func(c *Config) { c.Regions = []string{"eu-west-1"} }, TypeInvalidSignature, "Credential should be scoped to a valid region, not 'us-east-1'. "},
		{"service", nil, func(c *Config) { c.Services = []string{"sallyport"} }, TypeInvalidSignature, "Credential should be scoped to correct service: 'sallyport'. "},
		{"day of the scope", authorization("20260101", "20260102"), nil, TypeInvalidSignature,
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260102' != '20260101', from '20260101T000000Z'."},
		{"host not signed", authorization("host;", ""), nil, TypeInvalidSignature, "'Host' must be a 'SignedHeader' in the AWS Authorization."},
		{"late", nil, func(c *Config) { c.Now = func() time.Time { return exampleTime.Add(maxSkew + time.Second) } }, TypeInvalidSignature,
			"Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z (20260101T000501Z - 5 min.)"},
		{"early", nil, func(c *Config) { c.Now = func() time.Time { return exampleTime.Add(-maxSkew - time.Second) } }, TypeInvalidSignature,
			"Signature not yet current: 20260101T000000Z is still later than 20251231T235959Z (20251231T235459Z + 5 min.)"},
		{"session token", func(r *Request) { r.Header["X-Amz-Security-Token"] = []string{"t"} }, nil, TypeUnrecognizedClient, unknown},
		{"unknown key", authorization("AKIDEXAMPLE", "AKIDNOBODY"), nil, TypeUnrecognizedClient, unknown},
		{"key without a secret", authorization("AKIDEXAMPLE", "AKIDEMPTY"), nil, TypeUnrecognizedClient, unknown},
		{"wrong content hash", func(r *Request) { r.Header["X-Amz-Content-Sha256"] = []string{strings.Repeat("0", 64)} }, nil, TypeInvalidSignature,
			"The value of x-amz-content-sha256 does not match the hash of the body."},
		{"streaming", func(r *Request) { r.Header["X-Amz-Content-Sha256"] = []string{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"} }, nil, TypeInvalidSignature,
			"x-amz-content-sha256 must be the hash of the body: signed chunks are not accepted here."},

		{"link without algorithm", query("X-Amz-Algorithm", "x"), nil, TypeIncompleteSignature, params + "'X-Amz-Algorithm'" + again},
		{"link with nothing else", func(r *Request) { *r = Request{Method: "GET", Query: "X-Amz-Signature=0"} }, nil, TypeIncompleteSignature,
			params + "'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-SignedHeaders', 'X-Amz-Date', 'X-Amz-Expires'" + again},
		{"link with another algorithm", query("AWS4-HMAC-SHA256", "rot13"), nil, TypeIncompleteSignature, "Unsupported AWS 'algorithm': 'rot13'."},
		{"link with a short credential", query("%2Faws4_request", ""), nil, TypeIncompleteSignature, elements + "'AKIDEXAMPLE/20260101/us-east-1/execute-api'"},
		{"link with a date of HTTP", query("20260101T000000Z", "Thu,%2001%20Jan%202026%2000:00:00%20GMT"), nil, TypeIncompleteSignature,
			"Date must be in ISO-8601 'basic format'. Got 'Thu, 01 Jan 2026 00:00:00 GMT'. See http://en.wikipedia.org/wiki/ISO_8601"},
		{"link for ever", query("Expires=300", "Expires=604801"), nil, TypeIncompleteSignature, expires},
		{"link for no time", query("Expires=300", "Expires=0"), nil, TypeIncompleteSignature, expires},
		{"link for some time", query("Expires=300", "Expires=long"), nil, TypeIncompleteSignature, expires},
		{"link with two dates", query("&X-Amz-Date", "&X-Amz-Date=20260101T000001Z&X-Amz-Date"), nil, TypeIncompleteSignature,
			"The query-string parameter 'X-Amz-Date' is there twice."},
		{"link with a session token", query("token=", "X-Amz-Security-Token="), nil, TypeUnrecognizedClient, unknown},
		{"link gone by", query("", ""), func(c *Config) { c.Now = func() time.Time { return exampleTime.Add(301 * time.Second) } }, TypeInvalidSignature,
			"Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z (20260101T000501Z - 300 sec.)"},
		{"link of tomorrow", query("", ""), func(c *Config) { c.Now = func() time.Time { return exampleTime.Add(-301 * time.Second) } }, TypeInvalidSignature,
			"Signature not yet current: "},
		{"link with another query", query("token=a", "token=b"), nil, TypeInvalidSignature, "The request signature we calculated does not match"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := push()
			if test.change != nil {
				test.change(r)
			}
			_, err := newVerifier(t, test.config).Verify(t.Context(), r)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			if e.Type != test.errorType || !strings.HasPrefix(e.Message, test.message) || e.Key != "message" {
				t.Errorf("got %s %q", e.Type, e.Message)
			}
			if gateway.ErrorCode(err) != gateway.CodeForbidden {
				t.Errorf("code %s", gateway.ErrorCode(err))
			}
			for _, secret := range []string{"s3cret", exampleSecret} {
				if strings.Contains(e.Message+err.Error(), secret) {
					t.Errorf("%q in %v", secret, err)
				}
			}
		})
	}
}

// TestMismatchText is the aid to debugging that Amazon's service gives, word for word.
func TestMismatchText(t *testing.T) {
	r := push()
	r.Body = nil
	_, err := newVerifier(t, nil).Verify(t.Context(), r)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	want := "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. " +
		"Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'" +
		"POST\n/prod/%40connections/L0SM9cOFvHcCIhw%253D\n\nhost:abc.execute-api.us-east-1.amazonaws.com\nx-amz-date:20260101T000000Z\n\nhost;x-amz-date\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20260101T000000Z\n" +
		"20260101/us-east-1/execute-api/aws4_request\n"
	got, rest, _ := strings.Cut(e.Message, "aws4_request\n")
	if diff := cmp.Diff(want, got+"aws4_request\n"); diff != "" {
		t.Error(diff)
	}
	if len(rest) != 64+2 || !strings.HasSuffix(rest, "'\n") {
		t.Errorf("ends with %q", rest)
	}
	if strings.Contains(err.Error(), "Canonical") {
		t.Errorf("a log would show the request: %s", err)
	}
}

// TestClock: both ends of the span are within.
func TestClock(t *testing.T) {
	for name, test := range map[string]struct {
		r   *Request
		off time.Duration
	}{
		"header, late": {push(), maxSkew}, "header, early": {push(), -maxSkew},
		"link, late": {presigned(), 300 * time.Second}, "link, early": {presigned(), -maxSkew},
	} {
		v := newVerifier(t, func(c *Config) { c.Now = func() time.Time { return exampleTime.Add(test.off) } })
		if _, err := v.Verify(t.Context(), test.r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenKeys struct{ err error }

func (b brokenKeys) Key(context.Context, string) (accesskeys.Key, error) {
	return accesskeys.Key{}, b.err
}

func TestKeysOutOfReach(t *testing.T) {
	broken := errors.New("no bucket")
	v := newVerifier(t, func(c *Config) { c.Keys = brokenKeys{broken} })
	_, err := v.Verify(t.Context(), push())
	if gateway.ErrorCode(err) != gateway.CodeUnavailable || !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]Config{
		"sigv4: Config.Keys is missing":   {Services: []string{"x"}},
		"sigv4: Config.Services is empty": {Keys: exampleKeys()},
	} {
		if _, err := New(c); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestErrorBody(t *testing.T) {
	key := accesskeys.Key{ID: exampleID}
	for want, e := range map[string]*Error{
		`{"message":"Missing Authentication Token"}`: missingToken(),
		`{"message":"a <b>\n"}`:                      {Message: "a <b>\n"},
		`{"Message":"User: ` + key.ARN() + ` is not authorized to perform: execute-api:Invoke on resource: arn"}`: AccessDenied(key, accesskeys.ActionInvoke, "arn"),
	} {
		if got := string(e.Body()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A Date header will do, and its form in the string to sign is the basic one.
func TestDateHeader(t *testing.T) {
	r := push()
	r.Header["Date"] = []string{exampleTime.Format(http.TimeFormat)}
	delete(r.Header, "X-Amz-Date")
	_, err := newVerifier(t, nil).Verify(t.Context(), r)
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "AWS4-HMAC-SHA256\n20260101T000000Z\n") {
		t.Errorf("error %v", err)
	}
}

// A log's reader may be a terminal.
func TestSummaryIsPrintable(t *testing.T) {
	_, err := newVerifier(t, nil).Verify(t.Context(), &Request{Method: "GET", Query: strings.Replace(presigned().Query, "AWS4-HMAC-SHA256", "%1b]0;x", 1)})
	var refused *Error
	if !errors.As(err, &refused) || refused.Summary() != `Unsupported AWS 'algorithm': '\x1b]0;x'.` || !strings.Contains(refused.Message, "\x1b") {
		t.Errorf("got %v", err)
	}
}

func TestTarget(t *testing.T) {
	for target, want := range map[string][2]string{
		"/a/%40b?x=%2F?": {"/a/%40b", "x=%2F?"}, "/a": {"/a", ""}, "http://host:1/a/b?c": {"/a/b", "c"}, "http://host": {"/", ""},
		"http://host?c": {"/", "c"}, "*": {"*", ""}, "//a//b": {"//a//b", ""}, "": {"", ""},
	} {
		if path, query := Target(target); path != want[0] || query != want[1] {
			t.Errorf("%q: %q %q", target, path, query)
		}
	}
}

// TestSigningKeysAreForgotten: what is remembered of a key never outlives it, nor its secret.
func TestSigningKeysAreForgotten(t *testing.T) {
	keys := exampleKeys()
	v := newVerifier(t, func(c *Config) { c.Keys = keys })
	verify := func(want string) {
		t.Helper()
		_, err := v.Verify(t.Context(), push())
		var refused *Error
		if got := ""; errors.As(err, &refused) {
			got = refused.Type
			if got != want {
				t.Errorf("%s, want %q", got, want)
			}
		} else if err != nil || want != "" {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	verify("")
	verify("") // now with the signing key that is known
	if len(v.derived.keys) != 1 {
		t.Fatalf("%d access keys are remembered, want 1", len(v.derived.keys))
	}
	old := keys[exampleID]
	keys[exampleID] = accesskeys.Key{ID: exampleID, Secret: "another"}
	verify(TypeInvalidSignature)
	keys[exampleID] = old
	verify("")
	delete(keys, exampleID)
	verify(TypeUnrecognizedClient)
	if len(v.derived.keys) != 0 {
		t.Error("the signing key of a removed access key is still there")
	}
}

// TestSigningKeysAreBounded, by access key and by scope.
func TestSigningKeysAreBounded(t *testing.T) {
	var k signingKeys
	s := &signature{}
	for i := range 2 * maxSigners {
		k.put(&accesskeys.Key{ID: strconv.Itoa(i), Secret: "x"}, s, signer{})
	}
	if len(k.keys) > maxSigners {
		t.Errorf("%d access keys, at most %d", len(k.keys), maxSigners)
	}
	one := &accesskeys.Key{ID: "one", Secret: "x"}
	for i := range 2*maxScopes + 1 {
		s.Region = strconv.Itoa(i)
		k.put(one, s, signer{})
	}
	if n := len(k.keys["one"].scopes); n > maxScopes {
		t.Errorf("%d scopes, at most %d", n, maxScopes)
	}
	if _, ok := k.get(one, s); !ok {
		t.Error("the last one is not known")
	}
	if _, ok := k.get(&accesskeys.Key{ID: "one", Secret: "y"}, s); ok {
		t.Error("a signing key outlived its secret")
	}
}
