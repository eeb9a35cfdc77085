package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/accesskeys"
)

// signer makes the last step of a signature with a key of the chain of contract/control-plane.md §3.2. It is safe for concurrent
// use.
type signer struct{ macs *sync.Pool } // of hash.Hash, which have worked the key in already

func newSigner(key []byte) signer {
	return signer{&sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// signed reports, in constant time, whether signature is that of text.
func (g signer) signed(text []byte, signature string) bool {
	h, _ := g.macs.Get().(hash.Hash)
	defer g.macs.Put(h)
	h.Reset()
	h.Write(text)
	var sum [sha256.Size]byte
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], h.Sum(sum[:0]))
	return subtle.ConstantTimeCompare(want[:], []byte(signature)) == 1
}

const (
	// maxSigners bounds the access keys whose signing keys are remembered: more than the backends of a busy gateway.
	maxSigners = 1024
	// maxScopes bounds the signing keys of one access key: a backend signs for one region and one day, and around midnight
	// for two.
	maxScopes = 4
)

// signingKeys remembers the signing keys of access keys that were used: making one takes four HMACs, and it is the same the
// whole day. What is remembered of a key goes with the key, or with its secret.
type signingKeys struct {
	mu   sync.RWMutex
	keys map[string]*scopedSigners
}

// scopedSigners are the signers of one access key with one secret.
type scopedSigners struct {
	secret string
	scopes map[scope]signer
}

// scope is what a signing key is good for.
type scope struct{ day, region, service string }

func (s *signature) scope() scope { return scope{s.Day, s.Region, s.Service} }

// get returns the signer for what s says of itself, if it is known.
func (k *signingKeys) get(key *accesskeys.Key, s *signature) (signer, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	own := k.keys[key.ID]
	if own == nil || subtle.ConstantTimeCompare([]byte(own.secret), []byte(key.Secret)) != 1 {
		return signer{}, false
	}
	g, ok := own.scopes[s.scope()]
	return g, ok
}

// put remembers a signer. What is too many is forgotten, all at once: it is made anew when it is needed.
func (k *signingKeys) put(key *accesskeys.Key, s *signature, g signer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil || len(k.keys) >= maxSigners && k.keys[key.ID] == nil {
		k.keys = make(map[string]*scopedSigners)
	}
	own := k.keys[key.ID]
	if own == nil || own.secret != key.Secret || len(own.scopes) >= maxScopes {
		own = &scopedSigners{secret: key.Secret, scopes: make(map[scope]signer)}
		k.keys[key.ID] = own
	}
	// The strings of s are parts of a whole request.
	own.scopes[scope{strings.Clone(s.Day), strings.Clone(s.Region), strings.Clone(s.Service)}] = g
}

// drop forgets the key of an id, if there is something to forget.
func (k *signingKeys) drop(id string) {
	k.mu.RLock()
	known := k.keys[id] != nil
	k.mu.RUnlock()
	if !known {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, id)
}
