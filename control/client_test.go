package control

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

// scripted is a gateway that answers every callback alike and keeps what it was asked.
type scripted struct {
	status int
	body   string
	asked  chan *http.Request
	sent   chan string
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.asked <- r
	s.sent <- string(body)
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.body)
}

func startScripted(t *testing.T, status int, body string) (*scripted, *Client) {
	t.Helper()
	s := &scripted{status: status, body: body, asked: make(chan *http.Request, 1), sent: make(chan string, 1)}
	return s, start(t, Config{Callbacks: s, IsCallback: isCallback}).client(t)
}

func TestClientPost(t *testing.T) {
	s, client := startScripted(t, 200, "")
	for _, test := range []struct {
		ref    gateway.ConnectionRef
		push   gateway.Push
		path   string
		opcode string
	}{
		{gateway.ConnectionRef{ID: testID}, gateway.Push{Body: []byte("hi")}, "/@connections/AAAAbbbbccccddd=", ""},
		{gateway.ConnectionRef{ID: testID, Stage: "prod"}, gateway.Push{}, "/prod/@connections/AAAAbbbbccccddd=", ""},
		{
			gateway.ConnectionRef{ID: testID, API: "chat", Stage: "$default"}, gateway.Push{Body: []byte{0, 255}, Binary: true},
			"/chat/$default/@connections/AAAAbbbbccccddd=", "binary",
		},
		{gateway.ConnectionRef{ID: "a/b ?"}, gateway.Push{}, "/@connections/a%2Fb%20%3F", ""},
	} {
		if err := client.Post(t.Context(), test.ref, test.push); err != nil {
			t.Errorf("%+v: %v", test.ref, err)
			continue
		}
		r := <-s.asked
		if r.Method != http.MethodPost || r.URL.EscapedPath() != test.path || r.Header.Get("Sallyport-Opcode") != test.opcode {
			t.Errorf("%s %s %v", r.Method, r.URL.EscapedPath(), r.Header)
		}
		if body := <-s.sent; body != string(test.push.Body) {
			t.Errorf("body %q", body)
		}
	}
	for _, ref := range []gateway.ConnectionRef{{}, {ID: testID, API: "chat"}} {
		if err := client.Post(t.Context(), ref, gateway.Push{}); gateway.ErrorCode(err) != gateway.CodeBadRequest {
			t.Errorf("%+v: %v", ref, err)
		}
	}
}

func TestClientGet(t *testing.T) {
	_, client := startScripted(t, 200, `{"connectedAt":"2025-02-03T01:46:33.523Z","identity":{"sourceIp":"192.0.2.1","userAgent":null},"lastActiveAt":"2025-02-03T01:46:36.076Z"}`)
	got, err := client.Get(t.Context(), gateway.ConnectionRef{ID: testID, API: "chat", Stage: "dev"})
	want := gateway.ConnectionStatus{
		Connection: gateway.Connection{
			ID: testID, API: "chat", Stage: "dev", SourceIP: "192.0.2.1",
			ConnectedAt: time.Date(2025, 2, 3, 1, 46, 33, 523e6, time.UTC),
		},
		LastActiveAt: time.Date(2025, 2, 3, 1, 46, 36, 76e6, time.UTC),
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	_, other := startScripted(t, 200, `<html>`)
	if _, err := other.Get(t.Context(), gateway.ConnectionRef{ID: testID}); gateway.ErrorCode(err) != gateway.CodeIntegration {
		t.Errorf("an answer that is no status: %v", err)
	}
}

func TestClientDelete(t *testing.T) {
	s, client := startScripted(t, 204, "")
	if err := client.Delete(t.Context(), gateway.ConnectionRef{ID: testID}, gateway.Close{}); err != nil {
		t.Fatal(err)
	}
	r := <-s.asked
	<-s.sent
	if r.Method != http.MethodDelete || r.Header.Get("Sallyport-Close-Code") != "" {
		t.Errorf("%s %v", r.Method, r.Header)
	}
	if err := client.Delete(t.Context(), gateway.ConnectionRef{ID: testID}, gateway.Close{Code: 4001, Reason: "bye, José"}); err != nil {
		t.Fatal(err)
	}
	if r := <-s.asked; r.Header.Get("Sallyport-Close-Code") != "4001" || r.Header.Get("Sallyport-Close-Reason") != "bye, José" {
		t.Errorf("%v", r.Header)
	}
	for _, reason := range []string{"two\nlines", strings.Repeat("x", maxCloseReason+1)} {
		err := client.Delete(t.Context(), gateway.ConnectionRef{ID: testID}, gateway.Close{Code: 4001, Reason: reason})
		if gateway.ErrorCode(err) != gateway.CodeBadRequest {
			t.Errorf("reason %q: %v", reason, err)
		}
	}
}

func TestClientErrors(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		want   string
	}{
		{400, `{"message":"Invalid connectionId: x"}`, "bad_request: Invalid connectionId: x"},
		{403, `{"Message":"User: x is not authorized"}`, "forbidden: User: x is not authorized"},
		{404, `{"message":"Not Found"}`, "not_found: Not Found"},
		{410, ``, "gone: there is no such connection, or no longer"},
		{413, `{"message":"Message too long"}`, "too_large: Message too long"},
		{429, ``, "slow_client: the client reads too slowly: nothing was sent, try again later"},
		{503, ``, "unavailable: the gateway refused: unavailable"},
		{504, `{"message":"timed out"}`, "timeout: timed out"},
		{404, `<html>`, "not_found: URL answered 404 Not Found: is that the gateway's --admin address?"},
		{302, ``, "internal: URL answered 302 Found: is that the gateway's --admin address?"},
		{500, ``, "internal: URL answered 500 Internal Server Error: is that the gateway's --admin address?"},
	} {
		_, client := startScripted(t, test.status, test.body)
		err := client.Post(t.Context(), gateway.ConnectionRef{ID: testID}, gateway.Push{})
		if got := strings.ReplaceAll(err.Error(), client.base, "URL"); got != test.want {
			t.Errorf("%d %s: %s, want %s", test.status, test.body, got, test.want)
		}
	}
}

func TestClientWithoutGateway(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	client, err := NewClient(ClientConfig{Admin: address})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for name, call := range map[string]func() error{
		"list": func() error { return client.List(t.Context(), ConnectionFilter{}, nil) },
		"tail": func() error { return client.Tail(t.Context(), TailFilter{}, nil) },
		"get":  func() error { _, err := client.Get(t.Context(), gateway.ConnectionRef{ID: testID}); return err },
	} {
		err := call()
		if gateway.ErrorCode(err) != gateway.CodeUnavailable ||
			!strings.Contains(err.Error(), "nothing listens at http://"+address+": is the gateway running there?") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Post(ctx, gateway.ConnectionRef{ID: testID}, gateway.Push{}); gateway.ErrorCode(err) != gateway.CodeTimeout {
		t.Errorf("a call that was given up: %v", err)
	}
}

// TestClientOfSomethingElse reads streams that a gateway would not send.
func TestClientOfSomethingElse(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		code   gateway.Code
	}{
		"cut":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n", gateway.CodeUnavailable},
		"HTML":    {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<html>\n", gateway.CodeIntegration},
		"SSH":     {"SSH-2.0-OpenSSH_9.2\r\n", gateway.CodeUnavailable},
		"endless": {"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", maxLine+1), gateway.CodeIntegration},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close() //nolint:errcheck // the client has what it needs
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, test.answer)
			}()
			client, err := NewClient(ClientConfig{Admin: "http://" + listener.Addr().String() + "/"})
			if err != nil {
				t.Fatal(err)
			}
			err = client.List(t.Context(), ConnectionFilter{}, func(gateway.ConnectionStatus) bool { return true })
			if gateway.ErrorCode(err) != test.code {
				t.Errorf("%v, want %s", err, test.code)
			}
			client.Close()
			_ = listener.Close()
			<-served
		})
	}
}

func TestClientAddress(t *testing.T) {
	for admin, want := range map[string]string{
		"": "http://127.0.0.1:8081", "localhost:9": "http://localhost:9", "http://h:1/": "http://h:1", "https://h/base": "https://h/base",
		"ftp://h": "", "http://": "", "http://user:secret@h": "", "http://h?x": "", "http://a b": "", "::": "",
	} {
		client, err := NewClient(ClientConfig{Admin: admin})
		switch {
		case want == "" && (gateway.ErrorCode(err) != gateway.CodeBadRequest || strings.Contains(err.Error(), "secret")):
			t.Errorf("%q: %v", admin, err)
		case want != "" && (err != nil || client.base != want):
			t.Errorf("%q: %v", admin, err)
		}
	}
}
