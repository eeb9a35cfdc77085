package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// Protocol is what a connection speaks.
type Protocol uint8

// The protocols.
const (
	WebSocket Protocol = iota
	HTTP
)

// Target is where connections go. It is read only, and may be shared.
type Target struct {
	Protocol Protocol
	Address  netip.AddrPort
	Host     string // with the port when it is not the usual one
	Path     string // with the query
	TLS      *tls.Config

	head []byte // the handshake up to the key's value, or the head of a request without its first line
}

// TargetConfig describes a Target.
type TargetConfig struct {
	URL    string   // ws, wss, http or https; ws and http mean the same
	Header []string // "Name: value", added to each handshake or request
	// Insecure takes any certificate.
	Insecure bool
}

// NewTarget checks the configuration and resolves the host.
func NewTarget(ctx context.Context, protocol Protocol, config TargetConfig) (*Target, error) {
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, fmt.Errorf("a URL can't be read: %w", errors.Unwrap(err)) // without the text, which may have a password
	}
	t := &Target{Protocol: protocol, Host: u.Host, Path: u.RequestURI()}
	port := "80"
	switch u.Scheme {
	case "ws", "http":
	case "wss", "https":
		port = "443"
		// The host is checked against the certificate unless the caller says otherwise: test servers sign their own.
		t.TLS = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, InsecureSkipVerify: config.Insecure}
	default:
		return nil, fmt.Errorf("%q has no scheme that can be measured: use ws://, wss://, http:// or https://", u.Redacted())
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%q names no host", u.Redacted())
	}
	if p := u.Port(); p != "" {
		port = p
	}
	if t.Address, err = resolve(ctx, u.Hostname(), port); err != nil {
		return nil, err
	}
	header, err := headerLines(config.Header)
	if err != nil {
		return nil, err
	}
	var head bytes.Buffer
	if protocol == WebSocket {
		fmt.Fprintf(&head, "GET %s HTTP/1.1\r\nHost: %s\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ", t.Path, t.Host, header)
	} else {
		fmt.Fprintf(&head, "Host: %s\r\n%s", t.Host, header)
	}
	t.head = head.Bytes()
	return t, nil
}

func resolve(ctx context.Context, host, port string) (netip.AddrPort, error) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no port", port)
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil || len(found) == 0 {
			return netip.AddrPort{}, fmt.Errorf("no address found for %s: %w", host, err)
		}
		// IPv4 first: servers for tests often listen there alone, and source addresses are 127.0.0.0/8.
		sort.SliceStable(found, func(i, j int) bool { return found[i].Unmap().Is4() && !found[j].Unmap().Is4() })
		address = found[0]
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), nil
}

func headerLines(header []string) (string, error) {
	var b strings.Builder
	for _, line := range header {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(line, "\r\n") || strings.ContainsAny(name, " \t") {
			return "", fmt.Errorf("%q is no header: write 'Name: value'", line)
		}
		fmt.Fprintf(&b, "%s: %s\r\n", name, strings.TrimSpace(value))
	}
	return b.String(), nil
}
