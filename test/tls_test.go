package test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sallyport/sallyport/internal/app"
)

// authority is a certificate authority of one test, and the files that it writes certificates to.
type authority struct {
	t         *testing.T
	key       *ecdsa.PrivateKey
	root      *x509.Certificate
	cert, pem string // the names of the files with the certificate and with its key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	dir := t.TempDir()
	a := &authority{t: t, key: newCertificateKey(t), cert: filepath.Join(dir, "tls.crt"), pem: filepath.Join(dir, "tls.key")}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	a.root = a.sign(root, root, a.key)
	return a
}

func newCertificateKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	template.NotBefore, template.NotAfter, template.BasicConstraintsValid = time.Now().Add(-time.Hour), time.Now().Add(time.Hour), true
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// issue writes a new certificate for 127.0.0.1 and its key, each in one step.
func (a *authority) issue(serial int64) {
	a.t.Helper()
	key := newCertificateKey(a.t)
	leaf := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "gateway"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}, a.root, key)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	save(a.t, a.cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})))
	save(a.t, a.pem, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// client is a client's configuration that trusts this authority alone.
func (a *authority) client() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return &tls.Config{RootCAs: pool}
}

func (a *authority) http() *http.Client {
	transport := &http.Transport{TLSClientConfig: a.client()}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (a *authority) gateway(files map[string]string) *stageGateway {
	a.t.Helper()
	return startGateway(a.t, files, func(c *app.Config) { c.TLS = app.TLSConfig{Cert: a.cert, Key: a.pem} })
}

func (a *authority) dial(g *stageGateway, path string) *user {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 2*patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "wss://"+g.Data+path, &websocket.DialOptions{HTTPClient: a.http()})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(-1)
	return &user{a.t, conn}
}

// serial is that of the certificate which a new client sees.
func (a *authority) serial(g *stageGateway) int64 {
	a.t.Helper()
	nc, err := tls.Dial("tcp", g.Data, a.client())
	if err != nil {
		a.t.Fatal(err)
	}
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

const proxyConnectChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: {type: NATS, payloadFormatVersion: "1.0"}}
  ask: {integration: {type: NATS}, routeResponse: true}
`

const tlsShop = `name: shop
protocolType: HTTP
routes:
  GET /pets: {integration: {type: NATS}}
  GET /event: {integration: {type: NATS, payloadFormatVersion: "1.0"}}
`

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(2)
	g := a.gateway(map[string]string{"chat.yaml": proxyConnectChat, "shop.yaml": tlsShop})
	connects := serveSubject(t, g.nats, "sallyport.chat.dev.ws.$connect", reply(`{"statusCode":200}`))
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", reply("answer"))
	serveSubject(t, g.nats, "sallyport.shop.dev.http.GET.pets", reply("cats"))
	requests := serveSubject(t, g.nats, "sallyport.shop.dev.http.GET.event", reply(`{"statusCode":201}`))

	u := a.dial(g, "/chat/dev")
	u.say(`{"action":"ask"}`)
	u.hears("answer")
	var event struct {
		Headers        map[string]string
		RequestContext struct{ ConnectionID string }
	}
	_, port, err := net.SplitHostPort(g.Data)
	if err != nil {
		t.Fatal(err)
	}
	says := func(payload []byte) {
		t.Helper()
		if err := json.Unmarshal(payload, &event); err != nil {
			t.Fatal(err)
		}
		if h := event.Headers; h["X-Forwarded-Proto"] != "https" || h["X-Forwarded-Port"] != port {
			t.Errorf("the event says %v, want https and %s", h, port)
		}
	}
	says((<-connects).Data)
	id := url.PathEscape(event.RequestContext.ConnectionID)

	client := a.http()
	for path, want := range map[string]string{"/shop/dev/pets": "200 cats", "/shop/dev/event": "201 ", "/shop/dev/nothing": `404 {"message":"Not Found"}`} {
		if got := answerOf(t, client, http.MethodGet, "https://"+g.Data+path, ""); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	says((<-requests).Data)
	if got := answerOf(t, client, http.MethodPost, "https://"+g.Data+"/chat/dev/@connections/"+id, "pushed"); got != "200 " {
		t.Errorf("callback: %s", got)
	}
	u.hears("pushed")
	if got := answerOf(t, client, http.MethodGet, "http://"+g.Data+"/shop/dev/pets", ""); got != "400 Client sent an HTTP request to an HTTPS server.\n" {
		t.Errorf("plain HTTP: %s", got)
	}

	for _, line := range []string{"wss://" + g.Data + "/chat/dev ", "callbacks at https://" + g.Data + "/chat/dev", "https://" + g.Data + "/shop/dev/", "http://" + g.Admin} {
		if !strings.Contains(g.output.String(), line) {
			t.Errorf("the start does not print %q:\n%s", line, g.output)
		}
	}
	if err := u.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}

// answerOf is status and body.
func answerOf(t *testing.T, client *http.Client, method, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Status[:len("200")] + " " + string(got)
}

// A renewed certificate is seen by who comes from now on; a broken one changes nothing, and is told of once. Neither
// touches who is there.
func TestTLSReload(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(2)
	g := a.gateway(map[string]string{"chat.yaml": quietChat})
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", reply("answer"))
	early := a.dial(g, "/chat/dev")
	works := func(serial int64) {
		t.Helper()
		early.say(`{"action":"ask"}`)
		early.hears("answer")
		if got := a.serial(g); got != serial {
			t.Errorf("a new client sees certificate %d, want %d", got, serial)
		}
	}
	works(2)

	const stay = "the new TLS certificate can't be used, so the running one stays"
	key, err := os.ReadFile(a.pem)
	if err != nil {
		t.Fatal(err)
	}
	save(t, a.pem, "no key")
	g.output.awaitCount(t, stay, 1)
	g.output.await(t, "failed to find any PEM data in key input")
	works(2)
	save(t, a.pem, string(key))
	g.output.awaitCount(t, "the TLS certificate was reloaded; no connection was cut", 1)
	works(2)
	if n := strings.Count(g.output.String(), stay); n != 1 {
		t.Errorf("the broken key was told of %d times", n)
	}

	a.issue(3)
	eventually(t, "the new certificate", func() error {
		if got := a.serial(g); got != 3 {
			return errors.New("still the old one")
		}
		return nil
	})
	works(3)
}

// A command beside the gateway makes its callbacks at the admin listener, and needs no trust in the certificate.
func TestTLSCallbackOfACommand(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(2)
	g := startGateway(t, map[string]string{"chat.yaml": quietChat}, func(c *app.Config) {
		c.TLS = app.TLSConfig{Cert: a.cert, Key: a.pem}
		c.Run = `echo "callbacks=$SALLYPORT_CALLBACK_URL." && exec sleep 600`
	})
	g.output.await(t, "callbacks=http://"+g.Admin+"/chat/dev.")
	contexts := serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", reply("answer"))
	u := a.dial(g, "/chat/dev")
	u.say(`{"action":"ask"}`)
	u.hears("answer")
	var context struct{ ConnectionID string }
	if err := json.Unmarshal([]byte((<-contexts).Header.Get("Sallyport-Context")), &context); err != nil {
		t.Fatal(err)
	}
	if got := answerOf(t, http.DefaultClient, http.MethodPost, "http://"+g.Admin+"/chat/dev/@connections/"+url.PathEscape(context.ConnectionID), "pushed"); got != "200 " {
		t.Errorf("callback: %s", got)
	}
	u.hears("pushed")
}

func TestTLSFilesAreMissing(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	c := startConfig(t, dir, write(t, dir, "chat.yaml", quietChat))
	c.TLS = app.TLSConfig{Cert: a.cert, Key: a.pem}
	if got := failsToStart(t, c); !strings.Contains(got, "--tls-cert "+a.cert) || !strings.Contains(got, "no such file") {
		t.Error(got)
	}
	c.TLS.Key = ""
	if got := failsToStart(t, c); !strings.Contains(got, "give --tls-key too") {
		t.Error(got)
	}
}
