package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	randv2 "math/rand/v2"
)

// Distinct types for distinct strings: swapping two of them does not compile.
type (
	// APIID names an API: 1–64 of a-z, 0-9 and '-' (Valid), and none of the Reserved ones.
	APIID string
	// StageName names a stage of an API: letters, digits, '-', '_', at most 128, or the literal $default
	// (contract/http-api.md §2.3).
	StageName string
	// RouteKey names a route of an API: $connect, $disconnect, $default, a custom key, or "METHOD /path".
	RouteKey string
	// DeploymentID names one frozen version of an API's definition on a stage.
	DeploymentID string
	// EdgeID names one incarnation of an edge process: the first four characters of each of its connection ids.
	EdgeID string
	// ConnectionID names a client connection: 16 characters, URL-safe base64 of 11 bytes with the final '='
	// (contract/websocket-api.md §4.3). Its first four characters are the EdgeID of the owner.
	ConnectionID string
	// RequestID names one event. It has the form of a ConnectionID (contract/websocket-api.md §4.3).
	RequestID string
)

// Route keys and the stage name with a meaning of their own (contract/websocket-api.md §1, contract/http-api.md §2.3).
const (
	// RouteRefresh takes the messages by which a client renews its token; it goes beyond Amazon's service.
	RouteRefresh    RouteKey  = "$refresh"
	RouteConnect    RouteKey  = "$connect"
	RouteDisconnect RouteKey  = "$disconnect"
	RouteDefault    RouteKey  = "$default"
	StageDefault    StageName = "$default"
)

const (
	idBytes     = 11 // what Amazon's ids decode to
	edgeIDBytes = 3  // exactly four base64 characters, so the owner can be cut off an id without decoding it
	idLength    = 16
	edgeIDLen   = 4
)

// ErrMalformedID says that a string does not have the form of a ConnectionID.
var ErrMalformedID = errors.New("not a connection id: 16 characters of URL-safe base64 that end in '='")

// NewEdgeID returns a random EdgeID. Whoever needs it unique claims it in a connection store. It never begins with '-':
// connection ids begin with it and are arguments of commands.
func NewEdgeID() EdgeID {
	for {
		var b [edgeIDBytes]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		if id := base64.URLEncoding.EncodeToString(b[:]); id[0] != '-' {
			return EdgeID(id)
		}
	}
}

// Valid reports whether e has the form of an EdgeID.
func (e EdgeID) Valid() bool { return len(e) == edgeIDLen && isBase64(string(e)) }

// isBase64 reports whether s has characters of URL-safe base64 alone.
func isBase64(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// NewConnectionID returns an unguessable id that routes itself to edge: eight of its bytes are random.
func NewConnectionID(edge EdgeID) ConnectionID {
	var b [idBytes - edgeIDBytes]byte
	_, _ = rand.Read(b[:]) // never fails, see NewEdgeID
	var out [idLength]byte
	copy(out[:], edge)
	base64.URLEncoding.Encode(out[edgeIDLen:], b[:])
	return ConnectionID(out[:])
}

// NewRequestID returns a random id of the form that Amazon's request and message ids have. It names an event and opens
// nothing, so the runtime's generator (ChaCha8, seeded by the system) does: that spares every message a system call.
func NewRequestID() RequestID {
	var b [idBytes]byte
	scatter(b[:])
	var out [idLength]byte
	base64.URLEncoding.Encode(out[:], b[:])
	return RequestID(out[:])
}

// NewRequestIDs returns two of them: a message has an id of its own beside its event's. It costs as much as one.
func NewRequestIDs() (event, message RequestID) {
	var b [2 * idBytes]byte
	scatter(b[:])
	var out [2 * idLength]byte
	base64.URLEncoding.Encode(out[:idLength], b[:idBytes])
	base64.URLEncoding.Encode(out[idLength:], b[idBytes:])
	both := RequestID(out[:])
	return both[:idLength], both[idLength:]
}

// scatter fills b with random bytes that need not be secrets.
func scatter(b []byte) {
	const word = 8
	for len(b) >= word {
		binary.LittleEndian.PutUint64(b, randv2.Uint64())
		b = b[word:]
	}
	for last := randv2.Uint64(); len(b) > 0; last >>= word {
		b[0] = byte(last)
		b = b[1:]
	}
}

// ParseConnectionID checks the form of s. The error is ErrMalformedID.
func ParseConnectionID(s string) (ConnectionID, error) {
	if len(s) != idLength || s[idLength-1] != '=' || !isBase64(s[:idLength-1]) {
		return "", ErrMalformedID
	}
	return ConnectionID(s), nil
}

// Edge returns the incarnation that owns c, or "" when c is too short to name one.
func (c ConnectionID) Edge() EdgeID {
	if len(c) < edgeIDLen {
		return ""
	}
	return EdgeID(c[:edgeIDLen])
}
