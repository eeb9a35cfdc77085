package test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// catalogChat has a route that workers run at {backend}.
const catalogChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  say: {integration: {type: HTTP_PROXY, httpMethod: POST, uri: "{backend}"}, routeResponse: true}
stages: {dev: {}}
`

// rootOfNodes signs the commands of the tests.
var rootOfNodes = []string{"SALLYPORT_ROOT_ACCESS_KEY_ID=ROOT", "SALLYPORT_ROOT_SECRET_ACCESS_KEY=root secret of the tests"} // never changed

// startNode starts one node of serve on a cluster.
func startNode(t *testing.T, c *cluster, node string, args ...string) *gatewayProcess {
	t.Helper()
	p := runProcessWith(t, rootOfNodes, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats", c.url(), "--node", node, "--drain-timeout", "0s"}, args...)...)
	p.output.await(t, "/readyz")
	p.Data = p.output.find(`://(127\.0\.0\.1:\d+)/[a-z]`)
	p.Admin = p.output.find(`admin +http://(\S+)`)
	if p.Data == "" || p.Admin == "" {
		t.Fatalf("the start lines do not say where the node is:\n%s", p.output)
	}
	return p
}

// TestApplyUnderLoad: three nodes change over to another deployment under a stream of messages. Every message is answered, no
// socket is closed, what is under way ends where it began, and a node that comes later serves what is live.
func TestApplyUnderLoad(t *testing.T) {
	held, release := make(chan struct{}, 1), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 256)
		n, _ := r.Body.Read(body)
		if strings.Contains(string(body[:n]), "hold") {
			held <- struct{}{}
			<-release
		}
		_, _ = w.Write([]byte(strings.TrimPrefix(r.URL.Path, "/")))
	}))
	t.Cleanup(backend.Close)
	c, dir := startCluster(t), t.TempDir()
	file := func(name string) string {
		return write(t, dir, name+".yaml", strings.ReplaceAll(catalogChat, "{backend}", backend.URL+"/"+name))
	}
	before, after := file("before"), file("after")
	nodes := []*gatewayProcess{startNode(t, c, "a", before)}
	for _, name := range []string{"b", "c"} { // without files: the catalog has them
		nodes = append(nodes, startNode(t, c, name))
	}
	slow := dial(t, nodes[1].Data, "/chat/dev")
	slow.say(`{"action":"say","text":"hold"}`)
	<-held

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var talking sync.WaitGroup
	changed := make(chan struct{}, len(nodes))
	for _, node := range nodes {
		u := dial(t, node.Data, "/chat/dev")
		talking.Go(func() {
			seen := "before"
			for ctx.Err() == nil {
				if err := u.conn.Write(t.Context(), websocket.MessageText, []byte(`{"action":"say"}`)); err != nil {
					t.Errorf("a socket was closed: %v", err)
					return
				}
				_, text, err := u.conn.Read(t.Context())
				switch {
				case err != nil:
					t.Errorf("a socket was closed: %v", err)
					return
				case string(text) == "after" && seen == "before":
					seen = "after"
					changed <- struct{}{}
				case string(text) != seen:
					t.Errorf("the client heard %s after %s", text, seen)
				}
			}
		})
	}
	apply := runProcessWith(t, rootOfNodes, "apply", after, "--admin", "http://"+nodes[2].Admin)
	if code := apply.exit(2 * patience); code != 0 || !strings.Contains(apply.output.String(), "chat/dev") || !strings.Contains(apply.output.String(), "live on 3 nodes") {
		t.Errorf("apply ended with %d and said %s", code, apply.output)
	}
	t.Logf("apply said: %s", apply.output)
	for range nodes {
		<-changed
	}
	stop()
	talking.Wait()
	close(release)
	slow.hears("before")

	late := startNode(t, c, "late")
	u := dial(t, late.Data, "/chat/dev")
	u.say(`{"action":"say"}`)
	u.hears("after")

	unsigned := runProcess(t, "apply", before, "--admin", "http://"+late.Admin)
	if code := unsigned.exit(2 * patience); code != 1 {
		t.Errorf("an unsigned apply ended with %d and said %s", code, unsigned.output)
	}
	missing := runProcessWith(t, rootOfNodes, "apply", filepath.Join(dir, "none.yaml"))
	if code := missing.exit(2 * patience); code != 2 {
		t.Errorf("apply of no file ended with %d", code)
	}
}
