package edge

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// testCertificate is a new certificate for 127.0.0.1 and the trust in it.
func testCertificate(t testing.TB) (CertificateSource, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	certificate := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil }, pool
}

// newTLSWorld is newWorld with TLS; its clients speak the version, or what they like when it is 0.
func newTLSWorld(t testing.TB, api *gateway.API, version uint16) *world {
	t.Helper()
	source, pool := testCertificate(t)
	w := newWorld(t, api, func(c *Config) { c.Certificate = source })
	w.client = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: version, MaxVersion: version}
	return w
}

// With TLS everything is as without.
func TestConformanceTLS(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) { testConformance(t, echoes(newTLSWorld(t, echoAPI(), version))) })
	}
}

func TestTLSVersionsAndProtocols(t *testing.T) {
	w := newTLSWorld(t, chatAPI(), 0)
	for _, test := range []struct {
		name    string
		change  func(*tls.Config)
		refused bool
	}{
		{"1.0", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, true},
		{"1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, true},
		{"1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, false},
		{"HTTP/2 alone", func(c *tls.Config) { c.NextProtos = []string{"h2"} }, true},
		{"as a browser", func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }, false},
	} {
		c := w.client.Clone()
		test.change(c)
		nc, err := tls.Dial("tcp", w.addr, c)
		if (err != nil) != test.refused {
			t.Errorf("%s: %v", test.name, err)
		}
		if err != nil {
			continue
		}
		if p := nc.ConnectionState().NegotiatedProtocol; len(c.NextProtos) > 0 && p != "http/1.1" {
			t.Errorf("%s: protocol %q", test.name, p)
		}
		_ = nc.Close()
	}
}

// A TLS handshake that stalls, or a head behind it, is cut like a silent plain client.
func TestTLSHandshakeStalls(t *testing.T) {
	hello := clientHello(t)
	for name, send := range map[string][]byte{"silence": nil, "half a hello": hello[:len(hello)/2], "a hello and no more": hello} {
		source, _ := testCertificate(t)
		synctest.Test(t, func(t *testing.T) {
			w := newPipeWorld(t, chatAPI(), func(c *Config) { c.HandshakeTimeout, c.Certificate = 5*time.Second, source })
			defer w.end()
			nc := w.dial()
			start := time.Now()
			if _, err := nc.Write(send); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, nc); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
				t.Errorf("%s: closed after %v", name, took)
			}
		})
	}
}

// clientHello is what a client sends first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go func() {
		_ = tls.Client(a, &tls.Config{ServerName: "localhost"}).Handshake() // fails when its bytes were taken
		_ = a.Close()
	}()
	hello := make([]byte, 16<<10)
	n, err := b.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return hello[:n]
}

// What a client may send before it has TLS is bounded.
func TestTLSHelloTooLong(t *testing.T) {
	w := newTLSWorld(t, chatAPI(), 0)
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const recordBytes = 4 << 10
	record := append([]byte{0x16, 3, 1, recordBytes >> 8, 0}, make([]byte, recordBytes)...)
	first := slices.Clone(record)
	copy(first[5:], []byte{1, 0, 0xff, 0xf0}) // a hello of nearly 64 KiB
	for _, b := range [][]byte{first, record, record} {
		if _, err := nc.Write(b); err != nil {
			break // cut already
		}
	}
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
}

func TestPlainHTTPWhereTLSIsDue(t *testing.T) {
	w := newTLSWorld(t, chatAPI(), 0)
	w.client = nil
	for _, request := range []string{upgradeRequest("/chat/dev"), "POST /" + strings.Repeat("a", 5000) + " HTTP/1.1\r\nHost: x\r\n\r\n"} {
		c, status, body := w.knock(request)
		if status != http.StatusBadRequest || body != "Client sent an HTTP request to an HTTPS server.\n" || !strings.Contains(c.head, "text/plain") {
			t.Errorf("%d %q %s", status, body, c.head)
		}
		c.wantEnd()
	}
	for _, garbage := range []string{"\x00\x01\x02\x03\x04", "\r\n\r\n\r\n"} {
		nc := w.dial()
		_, _ = io.WriteString(nc, garbage)
		_ = nc.SetReadDeadline(time.Now().Add(patience))
		if b, _ := io.ReadAll(nc); bytes.Contains(b, []byte("HTTP")) {
			t.Errorf("%q was answered with %q", garbage, b)
		}
		_ = nc.Close()
	}
}

// Events say that the client came by TLS, unless a proxy in front says how it came.
func TestEventsTellOfTLS(t *testing.T) {
	for _, test := range []struct{ line, want string }{{"X-Other: 1", "https"}, {"x-forwarded-proto: http", "http"}} {
		w := newTLSWorld(t, chatAPI(), 0)
		if _, status, body := w.knock(upgradeRequest("/chat/dev", test.line)); status != http.StatusSwitchingProtocols {
			t.Fatal(status, body)
		}
		if got := w.sender.next(t, gateway.RouteConnect).Header; got.Get("X-Forwarded-Proto") != test.want {
			t.Errorf("%s: %v", test.line, got)
		}
	}
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.TLS = new(tls.ConnectionState)
	if h := clientHeader(r); h.Get("X-Forwarded-Proto") != "https" || r.Header.Get("X-Forwarded-Proto") != "" {
		t.Errorf("%v from %v", h, r.Header)
	}
	if r.TLS = nil; clientHeader(r).Get("X-Forwarded-Proto") != "" {
		t.Error("plain HTTP says https")
	}
}

// securedPair is a server's and a client's end after the handshake.
func securedPair(t *testing.T) (*secured, *tls.Conn) {
	t.Helper()
	source, pool := testCertificate(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s, ok := (&Server{tls: newTLSConfig(source)}).secure(nc).(*secured)
	if !ok {
		t.Fatal("no TLS")
	}
	c := tls.Client(client, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	t.Cleanup(func() { _, _ = s.Close(), client.Close() })
	shaken := make(chan error, 1)
	go func() { shaken <- shakeHands(s) }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return s, c
}

// A client that reads nothing can't hold those who close its connection; crypto/tls would wait five seconds, or for ever
// behind a write of its own.
func TestTLSCloseNeverWaits(t *testing.T) {
	const most = 2 * time.Second
	for name, end := range map[string]func(*secured) error{"Close": (*secured).Close, "CloseWrite": (*secured).CloseWrite} {
		t.Run(name+" behind a full buffer", func(t *testing.T) {
			s, _ := securedPair(t)
			fill(t, s)
			start := time.Now()
			_ = end(s)
			if took := time.Since(start); took > most {
				t.Errorf("took %v", took)
			}
		})
	}
	t.Run("Close behind a write", func(t *testing.T) {
		s, _ := securedPair(t)
		fill(t, s)
		began, wrote := make(chan struct{}), make(chan error, 1)
		go func() {
			close(began)
			_, err := s.Write(make([]byte, 1<<20))
			wrote <- err
		}()
		<-began
		start := time.Now()
		_ = s.Close()
		if err := <-wrote; err == nil {
			t.Error("the write succeeded")
		}
		if took := time.Since(start); took > most {
			t.Errorf("took %v", took)
		}
	})
}

// fill writes below TLS until nothing goes any more.
func fill(t *testing.T, s *secured) {
	t.Helper()
	_ = s.wire.Conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	for {
		if _, err := s.wire.Conn.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	_ = s.wire.Conn.SetWriteDeadline(time.Time{})
}

// The client hears of the end by TLS, so it knows that nothing was cut off.
func TestTLSEndIsTold(t *testing.T) {
	for name, end := range map[string]func(*secured) error{"Close": (*secured).Close, "CloseWrite": (*secured).CloseWrite} {
		s, c := securedPair(t)
		if _, err := io.WriteString(s, "last words"); err != nil {
			t.Fatal(err)
		}
		if err := end(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if b, err := io.ReadAll(c); err != nil || string(b) != "last words" {
			t.Errorf("%s: %q %v", name, b, err)
		}
		if name == "Close" {
			continue
		}
		// The other direction is still open.
		if _, err := io.WriteString(c, "heard"); err != nil {
			t.Error(err)
		}
		b := make([]byte, len("heard"))
		if _, err := io.ReadFull(s, b); err != nil || string(b) != "heard" {
			t.Errorf("%q %v", b, err)
		}
	}
}

// A connection that net/http keeps alive may still become a WebSocket.
func TestTLSUpgradeAfterARequest(t *testing.T) {
	w := newTLSWorld(t, chatAPI(), 0)
	nc := w.dial()
	defer nc.Close()
	r := bufio.NewReader(nc)
	for _, request := range []string{"GET /nobody HTTP/1.1\r\nHost: x\r\n\r\n", upgradeRequest("/chat/dev")} {
		if _, err := io.WriteString(nc, request); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := http.StatusForbidden
		if strings.Contains(request, "Upgrade") {
			want = http.StatusSwitchingProtocols
		} else if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != want {
			t.Errorf("%d, want %d", res.StatusCode, want)
		}
	}
	w.sender.next(t, gateway.RouteConnect)
}
