package test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
)

// asSigned changes the configuration of startGateway into one of production, with the root key of the tests.
func asSigned(c *app.Config) {
	asServe(c)
	asRoot(c)
}

// rootKey is what the root of the tests signs with.
var rootKey = aws.Credentials{AccessKeyID: rootKeyID, SecretAccessKey: rootKeySecret}

// newKey makes an access key that is good for these.
func newKey(t *testing.T, g *stageGateway, api gateway.APIID, action string) aws.Credentials {
	t.Helper()
	response, text := signedCall(t, rootKey, "POST", "http://"+g.Admin+"/v1/access-keys", fmt.Sprintf(`{"apis":[%q],"actions":[%q]}`, api, action))
	var key struct{ AccessKeyID, SecretAccessKey string }
	if err := json.Unmarshal([]byte(text), &key); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("%s %s: %v", response.Status, text, err)
	}
	return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}
}

// signedCall makes a callback as Amazon's SDK for Go signs it, with more header lines, and returns the answer with its body.
func signedCall(t *testing.T, key aws.Credentials, method, url, body string, lines ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	if key.AccessKeyID != "" {
		sum := sha256.Sum256([]byte(body))
		if err := v4.NewSigner().SignHTTP(t.Context(), key, r, hex.EncodeToString(sum[:]), "execute-api", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// §9.1: the forms of a call, and what a POST becomes. What SDKs make of it is TestConformance12SDKs; their signatures
// byte for byte are TestKnownAnswers and TestOracle of authorizers/sigv4.
func TestContract91Requests(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", "limits: aws\n", whoRoute) + "stages: {dev: {}}\n"}, asSigned)
	conn := rawDial(t, g, "/chat/dev")
	id := conn.idOf()
	base := "http://" + g.Data + "/chat/dev"
	for _, path := range []string{"/@connections/%s", "/%%40connections/%s"} {
		for _, written := range []string{string(id), strings.Replace(string(id), "=", "%3D", 1)} {
			path := fmt.Sprintf(path, written)
			t.Run("accepted and verified: "+regexp.MustCompile(`[^/]{13,}(=|%3D)$`).ReplaceAllString(path, "ID$1"), func(t *testing.T) {
				if response, text := signedCall(t, rootKey, "POST", base+path, "hello"); response.StatusCode != 200 || text != "" {
					t.Fatal(response.Status, text)
				}
				if got := conn.next(); got != "hello" {
					t.Errorf("the client got %q", got)
				}
			})
		}
	}
	url := callbackURL(g.Data, "chat/dev", id)
	for _, c := range []struct {
		row, body string
		lines     []string
		opcode    byte
	}{
		{"no Content-Type, as boto3", "plain", nil, 1},
		{"application/octet-stream, as JS v3, is no binary", "plain", []string{"Content-Type: application/octet-stream"}, 1},
		{"application/x-amz-json-1.1, as rusoto", "plain", []string{"Content-Type: application/x-amz-json-1.1"}, 1},
		{"UTF-8 is text", "héllo 🎉", []string{"Content-Type: application/octet-stream"}, 1},
		{"verbatim", "{ \"a\":\t1.50 }\r\n", nil, 1},
		{"an empty body is an empty text frame", "", nil, 1},
		{"binary by our own header alone", "\xff\x00", []string{"Sallyport-Opcode: binary"}, 2},
	} {
		t.Run(c.row, func(t *testing.T) {
			if response, text := signedCall(t, rootKey, "POST", url, c.body, c.lines...); response.StatusCode != 200 {
				t.Fatal(response.Status, text)
			}
			if op, payload := conn.read(); op != c.opcode || string(payload) != c.body {
				t.Errorf("opcode %d %q", op, payload)
			}
		})
	}
	t.Run("128 KB arrive in frames of at most 32 KB", func(t *testing.T) {
		body := strings.Repeat("0123456789abcdef", 131072/16)
		if response, text := signedCall(t, rootKey, "POST", url, body); response.StatusCode != 200 {
			t.Fatal(response.Status, text)
		}
		var got bytes.Buffer
		for frames := 0; got.Len() < len(body); frames++ {
			op, payload := conn.read()
			if len(payload) > 32<<10 || len(payload) == 0 || (op == 1) != (frames == 0) || op > 1 {
				t.Fatalf("frame %d has opcode %d and %d bytes", frames, op, len(payload))
			}
			got.Write(payload)
		}
		if got.String() != body {
			t.Error("the text is another")
		}
	})
	t.Run("any other method → 403", func(t *testing.T) {
		for _, method := range []string{"PUT", "PATCH", "OPTIONS"} {
			response, text := signedCall(t, rootKey, method, url, "")
			if response.StatusCode != 403 || response.Header.Get("X-Amzn-Errortype") != "ForbiddenException" || text != `{"message":"Forbidden"}` {
				t.Errorf("%s: %s %s", method, response.Status, text)
			}
		}
	})
}

// The two tables of §9.2. The row of a full send buffer is TestClientThatDoesNotRead; that of a $connect that has not
// finished TestConformance14PostDuringConnect.
func TestContract92CallbackStatuses(t *testing.T) {
	t.Parallel()
	const stages = "stages: {dev: {}}\n"
	l := startLambdas(t, map[string]lambdaFunction{"connect": ok})
	g := startGateway(t, map[string]string{
		"chat.yaml":  socketAPI("chat", "limits: aws\n", whoRoute, "$connect: {integration: "+l.on("connect")+"}") + stages,
		"other.yaml": socketAPI("other", "", whoRoute) + stages,
	}, asSigned)
	conn := rawDial(t, g, "/chat/dev") // it sends no User-Agent
	id := conn.idOf()
	other := newKey(t, g, "other", "execute-api:ManageConnections")
	invoker := newKey(t, g, "chat", "execute-api:Invoke")
	wrong := aws.Credentials{AccessKeyID: rootKeyID, SecretAccessKey: "guessed"}
	at := func(stage, id string) string { return callbackURL(g.Data, stage, gateway.ConnectionID(id)) }
	denied := func(key aws.Credentials, method string) string {
		return "403 AccessDeniedException " + `{"Message":"User: arn:aws:iam::000000000000:user/` + key.AccessKeyID + ` is not authorized to perform: execute-api:ManageConnections on resource: ` +
			`arn:aws:execute-api:us-east-1:********0000:chat/dev/` + method + `/@connections/{connectionId}"}`
	}
	const nobody, gone, forbidden = "AAAAAAAAAAAAAAA=", "410 GoneException ", `403 ForbiddenException {"message":"Forbidden"}`
	mine := at("chat/dev", string(id))
	for _, c := range []struct {
		row, method, url, body string
		key                    aws.Credentials
		want                   string // status, error type, body; what ends in … is its beginning
	}{
		{"POST → 200, empty", "POST", mine, "hello", rootKey, "200  "},
		{"400 id of another form", "POST", at("chat/dev", "test-connection-123"), "x", rootKey, `400 BadRequestException {"message":"Invalid connectionId: test-connection-123"}`},
		{"400 cuid", "GET", at("chat/dev", "cjld2cjxh0000qzrmn831i7rn"), "", rootKey, `400 BadRequestException {"message":"Invalid connectionId: cjld2cjxh0000qzrmn831i7rn"}`},
		{"400 undefined", "DELETE", at("chat/dev", "undefined"), "", rootKey, `400 BadRequestException {"message":"Invalid connectionId: undefined"}`},
		{"403 wrong stage", "POST", at("chat/prod", string(id)), "x", rootKey, forbidden},
		{"403 unknown API", "POST", at("nobody/dev", string(id)), "x", rootKey, forbidden},
		{"403 stage missing, and no API names it", "GET", at("nobody", string(id)), "", rootKey, forbidden},
		{"403 IAM denies POST", "POST", mine, "x", other, denied(other, "POST")},
		{"403 IAM denies GET", "GET", mine, "", other, denied(other, "GET")},
		{"403 IAM denies DELETE", "DELETE", mine, "", other, denied(other, "DELETE")},
		{"403 another action is no grant", "POST", mine, "x", invoker, denied(invoker, "POST")},
		{"403 bad signature", "POST", mine, "x", wrong, `403 InvalidSignatureException {"message":"The request signature we calculated does not match the signature you provided. ` +
			`Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'POST\n/chat/dev/%40connections/` +
			strings.Replace(string(id), "=", "%253D", 1) + `\n\n…`},
		{"403 unsigned", "POST", mine, "x", aws.Credentials{}, `403 MissingAuthenticationTokenException {"message":"Missing Authentication Token"}`},
		{"410 never existed", "POST", at("chat/dev", nobody), "x", rootKey, gone},
		{"410 never existed, GET", "GET", at("chat/dev", nobody), "", rootKey, gone},
		{"410 never existed, DELETE", "DELETE", at("chat/dev", nobody), "", rootKey, gone},
		{"410 another API's id", "POST", at("other/dev", string(id)), "x", rootKey, gone},
		{"413 POST over 128 KB", "POST", mine, strings.Repeat("x", 131073), rootKey, `413 PayloadTooLargeException {"message":"…`},
		{"DELETE → 204, empty", "DELETE", mine, "", rootKey, "204  "},
		{"410 closed", "POST", mine, "x", rootKey, gone},
		{"410 closed, GET", "GET", mine, "", rootKey, gone},
		{"410 closed, DELETE", "DELETE", mine, "", rootKey, gone},
	} {
		if strings.HasPrefix(c.row, "DELETE → 204") {
			checkStatus(t, mine)
		}
		t.Run(c.row, func(t *testing.T) {
			response, text := signedCall(t, c.key, c.method, c.url, c.body)
			got := fmt.Sprintf("%d %s %s", response.StatusCode, response.Header.Get("X-Amzn-Errortype"), text)
			want, open := strings.CutSuffix(c.want, "…")
			if got != want && !(open && strings.HasPrefix(got, want)) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if got := conn.next(); got != "hello" { // and nothing of the refused ones
		t.Errorf("the client got %q", got)
	}
	if got := conn.next(); got != "closed 1000" {
		t.Errorf("then %q", got)
	}
}

// checkStatus is the row of GET: 200 with JSON in lower camel case, times in UTC with milliseconds, no user agent.
func checkStatus(t *testing.T, url string) {
	t.Helper()
	const at = `"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`
	form := regexp.MustCompile(`^\{"connectedAt":` + at + `,"identity":\{"sourceIp":"127\.0\.0\.1","userAgent":null\},"lastActiveAt":` + at + `\}$`)
	t.Run("GET → 200 JSON", func(t *testing.T) {
		response, text := signedCall(t, rootKey, "GET", url, "")
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/json" || !form.MatchString(text) {
			t.Errorf("%s %s %s", response.Status, response.Header.Get("Content-Type"), text)
		}
	})
}

// §9.2: lastActiveAt is the last message in either direction.
func TestContract92LastActive(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", "", whoRoute)}, nil)
	conn := mustDial(t, g, "/chat/dev")
	url := callbackURL(g.Data, "chat/dev", conn.who())
	var last string
	later := func(what string) {
		t.Helper()
		eventually(t, what, func() error {
			got := regexp.MustCompile(`"lastActiveAt":"[^"]*"`).FindString(call(t, "GET", url, ""))
			if got <= last {
				return fmt.Errorf("%s is not after %s", got, last)
			}
			last = got
			return nil
		})
	}
	later("the first message")
	for what, act := range map[string]func(){
		"a push":    func() { call(t, "POST", url, "hello"); conn.recv() },
		"a message": func() { conn.who() },
	} {
		eventually(t, "another millisecond", func() error {
			if now := time.Now().UTC().Format(`"lastActiveAt":"2006-01-02T15:04:05.000Z"`); now <= last {
				return fmt.Errorf("it is still %s", now)
			}
			return nil
		})
		act()
		later(what)
	}
}
