package test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// stopLimit is what a stop may take when the drain is at once (DESIGN §4), and what a busy machine may add.
const stopLimit = 5*time.Second + 2*time.Second

// natsOf connects a backend to a process. It gives up when the process is gone.
func natsOf(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// SIGTERM: every client gets 1001, or 1012 where that is asked, the listeners close, the backend hears of each, and the process ends with 0.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	going, restart := gateway.Close{Code: 1001, Reason: "Going away"}, gateway.Close{Code: 1012, Reason: "Service restart"}
	for name, test := range map[string]struct {
		args []string
		want gateway.Close
	}{
		"dev": {[]string{"dev"}, going}, "serve": {[]string{"serve", "--drain-timeout", "1s"}, going},
		"restart": {[]string{"serve", "--drain-timeout", "1s", "--drain-code", "1012"}, restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := startProcess(t, test.args[0], append(test.args[1:], "--data", filepath.Join(dir, "data"),
				write(t, dir, "chat.yaml", natsChat+"stages: {dev: {}}\n"))...)
			events := serveSubject(t, natsOf(t, p.NATS), "sallyport.chat.dev.ws.*", reply(""))
			const clients = 5
			var users []*user
			open := map[string]bool{}
			for range clients {
				users = append(users, dial(t, p.Data, "/chat/dev"))
				open[string(connected(t, events))] = true
			}
			began := time.Now()
			p.terminate()
			for _, u := range users {
				if frame := u.closed(); int(frame.Code) != test.want.Code || frame.Reason != test.want.Reason {
					t.Errorf("a client was closed with %v", frame)
				}
			}
			eventually(t, "the listener closes after the last client was told to go", func() error {
				conn, err := net.DialTimeout("tcp", p.Data, patience)
				if err != nil {
					return nil
				}
				_ = conn.Close()
				return errors.New("accepted")
			})
			for range clients {
				_, c := next(t, events)
				if c.EventType != "DISCONNECT" || c.DisconnectStatusCode != test.want.Code || !open[string(c.ConnectionID)] {
					t.Errorf("the backend got %s of %s, %d", c.EventType, c.ConnectionID, c.DisconnectStatusCode)
				}
				delete(open, string(c.ConnectionID)) // each once
			}
			if code := p.exit(stopLimit); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if took := time.Since(began); took > stopLimit {
				t.Errorf("the stop took %s", took)
			}
			if text := p.output.String(); strings.Contains(text, "level=WARN") || strings.Contains(text, "level=ERROR") {
				t.Errorf("an orderly stop warns:\n%s", text)
			}
		})
	}
}

// What does not want to go can't hold up a stop: clients that read nothing, half a handshake, a handshake and a request
// whose backend is silent, a call of a backend that hangs, an open stream of events, a command that ignores its signal.
func TestSIGTERMAgainstResistance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProcess(t, "dev", "--data", filepath.Join(dir, "data"), "--run", "trap '' INT TERM; echo deaf; while :; do sleep 60; done",
		write(t, dir, "chat.yaml", natsChat+"  hang: {integration: {type: HTTP_PROXY, uri: \""+httpBackend(t)+"/hang\"}}\n"),
		write(t, dir, "web.yaml", "name: web\nprotocolType: HTTP\nroutes:\n  GET /slow: {integration: {type: NATS}}\n"),
		write(t, dir, "silent.yaml", strings.Replace(natsChat, "name: chat", "name: silent", 1)))
	p.output.await(t, "deaf")
	nc := natsOf(t, p.NATS)
	connects := serveSubject(t, nc, "sallyport.chat.dev.ws.$connect", reply(""))
	events := serveSubject(t, nc, "sallyport.chat.dev.ws.$disconnect", reply(""))
	unanswered := serveSubject(t, nc, "sallyport.silent.dev.ws.$connect", nil)
	requests := serveSubject(t, nc, "sallyport.web.dev.http.GET.slow", nil)

	deaf := dialTCP(t, p.Data)
	if _, err := io.WriteString(deaf, upgradeHead+"\r\n"); err != nil {
		t.Fatal(err)
	}
	id := connected(t, connects)
	masked := append([]byte{0x81, 0x80 | 17, 0, 0, 0, 0}, `{"action":"hang"}`...)
	if _, err := deaf.Write(masked); err != nil {
		t.Fatal(err)
	}
	half := dialTCP(t, p.Data)
	if _, err := io.WriteString(half, upgradeHead); err != nil {
		t.Fatal(err)
	}
	waiting := dialTCP(t, p.Data)
	if _, err := io.WriteString(waiting, strings.Replace(upgradeHead, "/chat/", "/silent/", 1)+"\r\n"); err != nil {
		t.Fatal(err)
	}
	next(t, unanswered)
	asked := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + p.Data + "/web/dev/slow")
		if err != nil {
			asked <- err.Error()
			return
		}
		response.Body.Close()
		asked <- response.Status
	}()
	next(t, requests)
	tail := dialTCP(t, p.Admin)
	if _, err := io.WriteString(tail, "GET /v1/tail HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	p.terminate()
	if _, c := next(t, events); c.ConnectionID != id || c.DisconnectStatusCode != 1001 {
		t.Errorf("the backend heard of %s: %d", c.ConnectionID, c.DisconnectStatusCode)
	}
	if code := p.exit(2 * stopLimit); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > stopLimit {
		t.Errorf("the stop took %s, the limit is 5 s", took)
	}
	for _, conn := range []net.Conn{deaf, half, waiting, tail} {
		endsBy(t, conn, time.Second)
	}
	if got := <-asked; strings.HasPrefix(got, "200") {
		t.Errorf("the request that nobody answered got %s", got)
	}
}

// A second signal ends the process at once, for those who do not want to wait.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProcess(t, "serve", "--drain-timeout", "1h", "--data", filepath.Join(dir, "data"), write(t, dir, "chat.yaml", natsChat))
	serveSubject(t, natsOf(t, p.NATS), "sallyport.chat.*.ws.*", reply(""))
	dial(t, p.Data, "/chat")
	dial(t, p.Data, "/chat") // two, so that the drain has something to spread over the hour
	p.terminate()
	eventually(t, "the process takes no more clients", func() error {
		if _, status, err := tryDial(t, p.Data, "/chat"); status != http.StatusServiceUnavailable {
			return fmt.Errorf("an upgrade gets %d, %w", status, err)
		}
		return nil
	})
	p.terminate()
	if code := p.exit(patience); code != -1 {
		t.Errorf("exit code %d, want the signal", code)
	}
}
