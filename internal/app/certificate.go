package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"
)

// TLSConfig names the files of the data listener's certificate, chain included, and of its key, in PEM. Both or none.
type TLSConfig struct{ Cert, Key string }

func (c TLSConfig) set() bool { return c != TLSConfig{} }

func (c TLSConfig) check() error {
	switch {
	case c.Cert == "" && c.Key != "":
		return Usagef("--tls-key %s: a key needs its certificate: give --tls-cert too", c.Key)
	case c.Cert != "" && c.Key == "":
		return Usagef("--tls-cert %s: a certificate needs its key: give --tls-key too", c.Cert)
	}
	return nil
}

// schemes are those of the data listener's addresses.
func (c TLSConfig) schemes() (http, ws string) {
	if c.set() {
		return "https", "wss"
	}
	return "http", "ws"
}

// certificate is the one in force. Handshakes read it while a reload puts another one in its place; connections that
// stand keep theirs.
type certificate struct {
	files   TLSConfig
	current atomic.Pointer[tls.Certificate]
}

// load takes what the files hold now, or leaves everything as it is.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("--tls-cert %s, --tls-key %s: %w", c.files.Cert, c.files.Key, err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// startTLS loads the data listener's certificate and follows its files until the process stops.
func (p *process) startTLS(ctx context.Context, _ context.CancelCauseFunc) error {
	if !p.config.TLS.set() || !p.config.has(RoleEdge) {
		return nil
	}
	c := &certificate{files: p.config.TLS}
	w := &watcher{files: []string{c.files.Cert, c.files.Key}, every: lookEvery, changed: func() { p.renew(c) }}
	if err := c.load(); err != nil {
		return err
	}
	p.tellOldCertificate(c)
	p.certificate = c.get
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.life.onStop("watching the certificate", func(context.Context) error { cancel(); return nil })
	p.routine.Go(func() { w.run(ctx) })
	return nil
}

// renew follows a change of the files. Whoever renews a certificate may write one file after the other: what does not
// fit together is said once, and the next change is looked at again.
func (p *process) renew(c *certificate) {
	if err := c.load(); err != nil {
		p.logger.Error("the new TLS certificate can't be used, so the running one stays", "error", err)
		return
	}
	p.logger.Info("the TLS certificate was reloaded; no connection was cut", "file", c.files.Cert, "until", c.current.Load().Leaf.NotAfter)
	p.tellOldCertificate(c)
}

// tellOldCertificate warns of a certificate that clients will not take. It is used all the same: clocks may be wrong, and
// some clients do not look.
func (p *process) tellOldCertificate(c *certificate) {
	if until := c.current.Load().Leaf.NotAfter; time.Now().After(until) {
		p.logger.Warn("the TLS certificate has expired", "file", c.files.Cert, "until", until)
	}
}
