package keysets

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// MaxBytes bounds a key set and a discovery document (contract/http-api.md §12.3).
	MaxBytes = 150_000
	// MaxRecordBytes bounds a Set as it is stored and sent: the keys, written once more, and what goes with them.
	MaxRecordBytes = 2 * MaxBytes
	// maxKeys bounds the keys of one set; issuers have two or three.
	maxKeys = 100
	// MaxAge is how long keys serve without news from their issuer (contract/http-api.md §12.4).
	MaxAge = 2 * time.Hour
)

// Set is the keys of an issuer. It is not changed once it is made.
type Set struct {
	Issuer string
	// FetchedAt is when the issuer gave the keys.
	FetchedAt time.Time
	keys      map[string]jose.JSONWebKey
}

// Key returns the key with that id. Keys for encryption, private and symmetric ones are in no set.
func (s *Set) Key(id string) (jose.JSONWebKey, bool) {
	k, ok := s.keys[id]
	return k, ok
}

// record is a Set as it is stored and sent.
type record struct {
	Issuer    string            `json:"issuer"`
	FetchedAt time.Time         `json:"fetchedAt"`
	Keys      []jose.JSONWebKey `json:"keys"`
}

// Encode writes the set for Decode.
func (s *Set) Encode() ([]byte, error) {
	r := record{Issuer: s.Issuer, FetchedAt: s.FetchedAt}
	for _, k := range s.keys {
		k.Certificates, k.CertificatesURL = nil, nil // nobody checks them, and they are most of the bytes
		r.Keys = append(r.Keys, k)
	}
	b, err := json.Marshal(r)
	if err == nil && len(b) > MaxRecordBytes {
		err = fmt.Errorf("the keys of %s take more than %d bytes", s.Issuer, MaxRecordBytes)
	}
	return b, err
}

// Decode is the inverse of Encode. It refuses keys of another issuer.
func Decode(data []byte, issuer string) (*Set, error) {
	if len(data) > MaxRecordBytes {
		return nil, fmt.Errorf("a key set has more than %d bytes", MaxRecordBytes)
	}
	var head struct {
		Issuer    string    `json:"issuer"`
		FetchedAt time.Time `json:"fetchedAt"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("a key set: %w", err)
	}
	if head.Issuer != issuer {
		return nil, fmt.Errorf("a key set is that of %q, not of %q", head.Issuer, issuer)
	}
	return parse(data, issuer, head.FetchedAt)
}

// parse reads a JWKS (RFC 7517 §5). Keys that can't check a signature of ours are left out, also those of kinds that we do
// not know, as the RFC asks.
func parse(data []byte, issuer string, at time.Time) (*Set, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("the keys of %s: %w", issuer, err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%s has more than %d keys", issuer, maxKeys)
	}
	s := &Set{Issuer: issuer, FetchedAt: at, keys: make(map[string]jose.JSONWebKey, len(set.Keys))}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if err := json.Unmarshal(raw, &k); err != nil || k.KeyID == "" || k.Use == "enc" || !k.Valid() || !k.IsPublic() {
			continue
		}
		s.keys[k.KeyID] = k
	}
	if len(s.keys) == 0 {
		return nil, errors.New("there is no usable key among those of " + issuer)
	}
	return s, nil
}
