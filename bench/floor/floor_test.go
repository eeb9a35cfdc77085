package floor_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/bench/floor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server until the test ends.
func start(t *testing.T, serve func(context.Context, floor.Config) error, loops int) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	listening, ended := make(chan netip.AddrPort, 1), make(chan error, 1)
	go func() {
		ended <- serve(ctx, floor.Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Loops: loops, Listening: func(a netip.AddrPort) { listening <- a }})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	select {
	case a := <-listening:
		return a.String()
	case err := <-ended:
		ended <- err
		t.Fatal(err)
		return ""
	}
}

func onLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the epoll echo is for Linux")
	}
}

func TestEcho(t *testing.T) {
	onLinux(t)
	for _, loops := range []int{1, 2} {
		address := start(t, floor.Echo, loops)
		for range 8 { // of which each loop gets some
			conn, _, err := websocket.Dial(t.Context(), "ws://"+address+"/any/path", nil)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetReadLimit(1 << 20)
			for _, size := range []int{0, 1, 125, 126, 5000, 65000} {
				sent := bytes.Repeat([]byte{byte(size)}, size)
				if err := conn.Write(t.Context(), websocket.MessageBinary, sent); err != nil {
					t.Fatal(err)
				}
				kind, got, err := conn.Read(t.Context())
				if err != nil || kind != websocket.MessageBinary || !bytes.Equal(got, sent) {
					t.Fatalf("%d bytes came back as %d, %v, %v", size, len(got), kind, err)
				}
			}
			reading := conn.CloseRead(t.Context())
			if err := conn.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if err := conn.Close(websocket.StatusNormalClosure, "bye"); err != nil {
				t.Error(err)
			}
			<-reading.Done()
		}
	}
}

// What does not fit into the socket waits until the client reads.
func TestEchoToASlowReader(t *testing.T) {
	onLinux(t)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+start(t, floor.Echo, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	const messages, size = 8, 20_000 // more than the server's capped socket buffer
	for range messages {
		if err := conn.Write(t.Context(), websocket.MessageText, bytes.Repeat([]byte("x"), size)); err != nil {
			t.Fatal(err)
		}
	}
	for range messages {
		if _, got, err := conn.Read(t.Context()); err != nil || len(got) != size {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}

func TestEchoRefuses(t *testing.T) {
	onLinux(t)
	address := start(t, floor.Echo, 1)
	for name, test := range map[string]struct{ input, want string }{
		"no upgrade":           {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 "},
		"an endless handshake": {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 9000), ""},
		"a frame without mask": {"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n\x81\x01a", "HTTP/1.1 101 "},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, test.input); err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(conn) // an end or a reset: the server has closed
			if !strings.HasPrefix(string(answer), test.want) || test.want == "" && len(answer) > 0 {
				t.Errorf("answered %q", answer)
			}
		})
	}
}

func TestHTTP(t *testing.T) {
	response, err := http.Post("http://"+start(t, floor.HTTP, 0)+"/x", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); response.StatusCode != 200 || len(body) > 0 || err != nil {
		t.Errorf("%s %q %v", response.Status, body, err)
	}
}
