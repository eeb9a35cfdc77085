package sigv4

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/gateway"
)

const (
	// maxSkew is how far clocks may be apart (contract/control-plane.md §3.12).
	maxSkew  = 5 * time.Minute
	skewText = "5 min."

	// ServiceExecuteAPI signs callbacks and handshakes (contract/websocket-api.md §9.1).
	ServiceExecuteAPI = "execute-api"

	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// Keys finds the access key of an id. Key may be called concurrently; an id that nobody has is accesskeys.ErrUnknown.
type Keys interface {
	Key(ctx context.Context, id string) (accesskeys.Key, error)
}

// Config is what a Verifier needs. Keys and Services are required.
type Config struct {
	Keys Keys
	// Services are the service names that a credential may be scoped to, the usual one first.
	Services []string
	// Regions are the regions that a credential may be scoped to; none means any: a gateway of one's own is in no region.
	Regions []string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Request is a request as it came over the wire: whoever decodes, cleans or encodes a path before makes good signatures
// wrong (contract/control-plane.md §3.3, §3.4).
type Request struct {
	Method string
	// Host is the Host header with its port, as sent.
	Host string
	// Path and Query are those of the request target, not decoded; Target finds them.
	Path, Query string
	// Header has all other headers; names in any case.
	Header gateway.Header
	Body   []byte

	claims *signature // what Precheck read, so that Verify need not
}

// Target cuts the target of a request line into path and query as they came: net/http's URL has other bytes where the client
// encoded more or less than it would, and the signature is over the client's (contract/control-plane.md §3.3). The absolute
// form, which proxies get, loses its host.
func Target(requestURI string) (path, query string) {
	path, query, _ = strings.Cut(requestURI, "?")
	if !strings.HasPrefix(path, "/") {
		if _, rest, ok := strings.Cut(path, "://"); ok {
			_, path, _ = strings.Cut(rest, "/")
			path = "/" + path
		}
	}
	return path, query
}

// Verifier verifies signatures. Its methods may be called concurrently.
type Verifier struct {
	cfg     Config
	derived signingKeys
	scratch sync.Pool // of *[]byte, for canonical requests
}

// New returns a Verifier, or an error that names the missing field.
func New(c Config) (*Verifier, error) {
	switch {
	case c.Keys == nil:
		return nil, errors.New("sigv4: Config.Keys is missing")
	case len(c.Services) == 0:
		return nil, errors.New("sigv4: Config.Services is empty")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Verifier{cfg: c}, nil
}

// Verify returns the key that signed r. The error is an *Error that says why there is none, or one of code
// CodeUnavailable when the keys can't be asked.
func (v *Verifier) Verify(ctx context.Context, r *Request) (accesskeys.Key, error) {
	s, key, err := v.identify(ctx, r)
	if err != nil {
		return accesskeys.Key{}, err
	}
	hash, refused := v.payloadHash(r)
	if refused != nil {
		return accesskeys.Key{}, refused
	}
	buf, _ := v.scratch.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer v.scratch.Put(buf)
	canonical := append(appendCanonical((*buf)[:0], r, s), hash...)
	end := len(canonical)
	all := appendToSign(canonical, s, canonical)
	if *buf = all; cap(all) > maxScratchBytes {
		*buf = nil
	}
	signer, known := v.derived.get(&key, s)
	if !known {
		signer = newSigner(signingKey(key.Secret, s))
	}
	toSign := all[end:]
	if !signer.signed(toSign, s.Signature) {
		return accesskeys.Key{}, mismatch(string(canonical), string(toSign))
	}
	if !known { // only who has the secret may make us remember something
		v.derived.put(&key, s, signer)
	}
	return key, nil
}

// Precheck finds what is wrong with r without its Body, which need not be there yet: no signature or half of one, a wrong
// scope or clock, an unknown key. Nobody's body must be read before. Verify finds all that too. Between the two nothing of r
// may change but its Body.
func (v *Verifier) Precheck(ctx context.Context, r *Request) error {
	s, _, err := v.identify(ctx, r)
	if err == nil {
		r.claims = s
	}
	return err
}

// identify reads the signature's claims, checks them, and looks the key up.
func (v *Verifier) identify(ctx context.Context, r *Request) (*signature, accesskeys.Key, error) {
	s := r.claims
	var refused *Error
	if s == nil {
		s, refused = parse(r)
	}
	if refused == nil {
		refused = v.check(s)
	}
	if refused != nil {
		return nil, accesskeys.Key{}, refused
	}
	key, err := v.cfg.Keys.Key(ctx, s.AccessKeyID)
	switch {
	case errors.Is(err, accesskeys.ErrUnknown):
		v.derived.drop(s.AccessKeyID)
		return nil, accesskeys.Key{}, unrecognized()
	case err != nil:
		return nil, accesskeys.Key{}, gateway.Errorf(gateway.CodeUnavailable, "Service Unavailable").Because(fmt.Errorf("sigv4: access key: %w", err))
	case key.Secret == "": // anybody could sign with it
		return nil, accesskeys.Key{}, unrecognized()
	}
	return s, key, nil
}

// check holds the claims of s against scope and clock.
func (v *Verifier) check(s *signature) *Error {
	switch {
	case s.Terminator != terminator:
		return invalid("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, s.Terminator)
	case len(v.cfg.Regions) > 0 && !slices.Contains(v.cfg.Regions, s.Region):
		return invalid("Credential should be scoped to a valid region, not '%s'. ", s.Region)
	case !slices.Contains(v.cfg.Services, s.Service):
		return invalid("Credential should be scoped to correct service: '%s'. ", v.cfg.Services[0])
	case s.Day != s.date[:len(dayFormat)]:
		return invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			s.Day, s.date[:len(dayFormat)], s.date)
	case !slices.Contains(s.signedHeaders, "host"):
		return invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
	case s.token:
		return unrecognized()
	}
	now, life, lifeText := v.cfg.Now(), maxSkew, skewText
	if s.presigned {
		life, lifeText = s.expires, strconv.Itoa(int(s.expires/time.Second))+" sec."
	}
	switch {
	case now.Sub(s.at) > life:
		return expired(s.date, now, life, lifeText)
	case s.at.Sub(now) > maxSkew:
		return early(s.date, now)
	}
	return nil
}

// payloadHash is the last line of the canonical request: what x-amz-content-sha256 says, if the body agrees, else the
// body's hash (contract/control-plane.md §3.7, §3.8).
func (v *Verifier) payloadHash(r *Request) (string, *Error) {
	sum := sha256.Sum256(r.Body)
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], sum[:])
	switch said := r.Header.Get(headerContentHash); {
	case said == string(digits[:]):
		return said, nil
	case said == "":
		return string(digits[:]), nil
	case said == unsignedPayload: // the SDK for JavaScript sends it with streams (contract/control-plane.md §3.8)
		return said, nil
	case strings.HasPrefix(said, "STREAMING-"):
		return "", invalid("x-amz-content-sha256 must be the hash of the body: signed chunks are not accepted here.")
	}
	return "", invalid("The value of x-amz-content-sha256 does not match the hash of the body.")
}

// maxScratchBytes is what a canonical request may leave for the next one: most have a few hundred bytes.
const maxScratchBytes = 8 << 10

// appendToSign appends what is signed of a canonical request.
func appendToSign(b []byte, s *signature, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	b = append(b, algorithm+"\n"...)
	b = append(append(b, s.date...), '\n')
	for _, part := range [...]string{s.Day, s.Region, s.Service} {
		b = append(append(b, part...), '/')
	}
	b = append(append(b, s.Terminator...), '\n')
	return hex.AppendEncode(b, sum[:])
}

// signingKey is the chain of contract/control-plane.md §3.2.
func signingKey(secret string, s *signature) []byte {
	key := mac([]byte("AWS4"+secret), s.Day)
	key = mac(key, s.Region)
	key = mac(key, s.Service)
	return mac(key, s.Terminator)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
