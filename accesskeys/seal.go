package accesskeys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// sealVersion begins what is stored, so that another form can follow.
	sealVersion = 1
	// sealInfo separates the key that seals from whatever else may be derived from the root secret (RFC 5869 §3.2).
	sealInfo = "sallyport access keys v1"
	// sealKeyBytes makes it AES-256.
	sealKeyBytes = 32
	// maxSealedBytes bounds a stored key: the lists of maxAPIs and three actions fit, and so does the description.
	maxSealedBytes = 16 << 10
)

// errUnsealed says that a stored key does not open with this root secret.
var errUnsealed = errors.New("access key: not sealed with this root secret, or damaged")

// stored is a key as it is written, then sealed. Its id is the bucket's key and the seal's additional data, so that nobody
// who can write the bucket can give one key's rights to another id.
type stored struct {
	Secret      string          `json:"secret"`
	Description string          `json:"description,omitempty"`
	APIs        []gateway.APIID `json:"apis,omitempty"`
	Actions     []Action        `json:"actions,omitempty"`
	CreatedAt   time.Time       `json:"createdAt"`
}

// sealer seals keys with AES-256-GCM under a key that follows from the root secret (HKDF, RFC 5869). It may be used
// concurrently.
type sealer struct{ aead cipher.AEAD }

func newSealer(rootSecret string) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, []byte(rootSecret), nil, sealInfo, sealKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("access keys: derive the sealing key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("access keys: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("access keys: %w", err)
	}
	return &sealer{aead}, nil
}

// seal returns version, nonce and ciphertext. Nonces are random: 2^32 keys under one root secret are out of reach
// (NIST SP 800-38D §8.3).
func (s *sealer) seal(k Key) ([]byte, error) {
	plain, err := json.Marshal(stored{k.Secret, k.Description, k.APIs, k.Actions, k.CreatedAt})
	if err != nil {
		return nil, fmt.Errorf("access key: %w", err)
	}
	out := make([]byte, 1, 1+s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	out[0] = sealVersion
	out = out[:1+s.aead.NonceSize()]
	if _, err := rand.Read(out[1:]); err != nil {
		return nil, fmt.Errorf("access key: %w", err)
	}
	return s.aead.Seal(out, out[1:], plain, []byte(k.ID)), nil
}

// open is the inverse of seal. Its error says nothing of the content.
func (s *sealer) open(id string, sealed []byte) (Key, error) {
	head := 1 + s.aead.NonceSize()
	if len(sealed) < head || len(sealed) > maxSealedBytes || sealed[0] != sealVersion {
		return Key{}, errUnsealed
	}
	plain, err := s.aead.Open(nil, sealed[1:head], sealed[head:], []byte(id))
	if err != nil {
		return Key{}, errUnsealed
	}
	var v stored
	if json.Unmarshal(plain, &v) != nil || v.Secret == "" {
		return Key{}, errUnsealed
	}
	return Key{ID: id, Secret: v.Secret, Description: v.Description, APIs: v.APIs, Actions: v.Actions, CreatedAt: v.CreatedAt}, nil
}
