package connstore

import (
	"encoding/json"

	"github.com/sallyport/sallyport/gateway"
)

// CheckRecord is the check that every Journal makes before it records c: the id belongs to edge, the record fits in
// MaxRecordBytes, and the authorizer's context is JSON. It is for implementations of Store.
func CheckRecord(edge gateway.EdgeID, c *gateway.Connection) error {
	if _, err := gateway.ParseConnectionID(string(c.ID)); err != nil || c.ID.Edge() != edge {
		return gateway.Errorf(gateway.CodeInternal, "the connection id %q is not of edge %q", c.ID, edge)
	}
	size := recordSlack + len(c.ID) + len(c.API) + len(c.Stage) + len(c.DomainName) + len(c.SourceIP) + len(c.UserAgent) +
		len(c.Authorizer) + extraSize(c)
	if size > MaxRecordBytes {
		return gateway.Errorf(gateway.CodeTooLarge, "what is to be remembered of the connection is over %d bytes", MaxRecordBytes)
	}
	if len(c.Authorizer) > 0 && !json.Valid(c.Authorizer) {
		return gateway.Errorf(gateway.CodeInternal, "the authorizer's context is not JSON")
	}
	return nil
}

// extraSize bounds what caller and query take as JSON. A Journal stores nothing else of a handshake: its headers are where
// clients show themselves by tokens, and nobody reads them after a crash.
func extraSize(c *gateway.Connection) int {
	if c.Caller == nil && c.Handshake == nil {
		return 0
	}
	stored := struct {
		Caller    *gateway.Caller
		Handshake gateway.Handshake
	}{Caller: c.Caller}
	if c.Handshake != nil {
		stored.Handshake.Query = c.Handshake.Query
	}
	text, err := json.Marshal(stored)
	if err != nil {
		return MaxRecordBytes
	}
	return len(text)
}

// recordSlack is more than lengths, time and kind of a record take in any encoding.
const recordSlack = 64
