package gateway

import (
	"context"
	"encoding/json"
	"time"
)

// Connection is what a connection store remembers of a client: enough to tell its story in a $disconnect event after
// the edge that held it has died.
type Connection struct {
	ID          ConnectionID `json:"id"`
	API         APIID        `json:"api"`
	Stage       StageName    `json:"stage"`
	ConnectedAt time.Time    `json:"connectedAt"`
	// DomainName is the host that the client used, without a port.
	DomainName string `json:"domainName"`
	SourceIP   string `json:"sourceIp"`
	// UserAgent is empty when the client sent none.
	UserAgent string `json:"userAgent,omitempty"`
	// Authorizer is the JSON object that the authorizer left, or nil.
	Authorizer json.RawMessage `json:"authorizer,omitempty"`
	// Caller is who the client turned out to be, or nil.
	Caller *Caller `json:"caller,omitempty"`
	// Handshake is what the API keeps of the handshake for later events, or nil.
	Handshake *Handshake `json:"handshake,omitempty"`
}

// Handshake is what an API with keepHandshake keeps.
type Handshake struct {
	// Header is nil unless headers are kept.
	Header Header `json:"header,omitempty"`
	// Query is without '?', and empty unless it is kept.
	Query string `json:"query,omitempty"`
}

// ConnectionStatus is a live connection as its owner sees it now.
type ConnectionStatus struct {
	Connection
	// LastActiveAt is the time of the last message in either direction.
	LastActiveAt time.Time `json:"lastActiveAt"`
}

// ConnectionRef addresses a connection in a callback. API and Stage are checked by the owner unless they are empty,
// as they are for callers who know only the id.
type ConnectionRef struct {
	API   APIID
	Stage StageName
	ID    ConnectionID
}

// Push is what a callback sends to a client.
type Push struct {
	Body   []byte
	Binary bool
}

// Close is the close frame that a callback asks for. Code 0 means 1000 (contract/websocket-api.md §4.6).
type Close struct {
	Code   int
	Reason string
}

// Connections is the @connections callback API: what HTTP and NATS callers reach (contract/websocket-api.md §9). The
// edge implements it for its own sockets, the bus client for those of others.
//
// All methods may be called concurrently. The Codes of their errors: CodeGone (no such connection, or one of another
// API or stage), CodeTooLarge, CodeSlowClient (the client's send queue is full, nothing was delivered), CodeUnavailable
// (the owner can't be reached now; worth a retry).
type Connections interface {
	// Post sends one message. nil means that the owner accepted it for the socket, not that the client has it.
	Post(ctx context.Context, ref ConnectionRef, p Push) error
	// Get returns the status of the connection.
	Get(ctx context.Context, ref ConnectionRef) (ConnectionStatus, error)
	// Delete closes the connection; its $disconnect event follows.
	Delete(ctx context.Context, ref ConnectionRef, c Close) error
}
