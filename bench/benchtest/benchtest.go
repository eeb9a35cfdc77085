// Package benchtest has small servers for the tests of bench and the packages below it: WebSocket servers whose every
// step a test decides. They use gobwas/ws on the side that bench does not.
package benchtest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Client is a connected client as its server sees it.
type Client struct {
	Conn net.Conn
	// Path is what it asked for.
	Path string
}

// Read returns the next data message. Pings are answered, and an error ends the connection.
func (c *Client) Read() ([]byte, error) {
	data, _, err := wsutil.ReadClientData(c.Conn)
	return data, err
}

// Write sends a text message.
func (c *Client) Write(text []byte) error { return wsutil.WriteServerText(c.Conn, text) }

// Serve starts a WebSocket server until the test ends and returns its URL. each has a client until it returns.
func Serve(t testing.TB, each func(*Client)) string {
	t.Helper()
	var mu sync.Mutex
	ended := false
	var clients sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		mu.Lock()
		late := ended
		if !late {
			clients.Add(1) // server.Close does not wait for those that are upgraded
		}
		mu.Unlock()
		if !late {
			defer clients.Done()
			each(&Client{conn, r.URL.Path})
		}
	}))
	t.Cleanup(func() {
		server.Close()
		mu.Lock()
		ended = true
		mu.Unlock()
		clients.Wait()
	})
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// Echo sends back what a client sends, until it leaves.
func Echo(c *Client) {
	for {
		data, err := c.Read()
		if err != nil || c.Write(data) != nil {
			return
		}
	}
}

// Relay makes a request's connection one of the server at url, which Serve returned.
func Relay(w http.ResponseWriter, r *http.Request, url string) {
	back, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer back.Close()
	front, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer front.Close()
	if r.Write(back) != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(back, front)
		back.Close()
	})
	_, _ = io.Copy(front, back)
	front.Close()
	both.Wait()
}
