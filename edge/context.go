package edge

import (
	"strings"
	"sync"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// prefix is what a connection brings to the context of each of its events: event.AppendConnection's bytes, in three
// pieces. The first and the last are usually those of many connections, and kept once.
type prefix struct {
	address, client *string
	own             string
}

// size is how long the prefix is.
func (p *prefix) size() int { return len(*p.address) + len(p.own) + len(*p.client) }

// appendTo appends the prefix.
func (p *prefix) appendTo(dst []byte) []byte {
	dst = append(dst, *p.address...)
	dst = append(dst, p.own...)
	return append(dst, *p.client...)
}

// sharedTexts keeps one copy of texts that many connections have. It forgets them all when there are too many: clients
// choose some of them, and those that are in use live on with their connections.
type sharedTexts struct {
	mu   sync.Mutex
	kept map[string]*string
}

const (
	// maxSharedTexts is more than the user agents and domains of a busy edge.
	maxSharedTexts = 4096
	// maxSharedBytes bounds one of them: what is longer is hardly anybody else's.
	maxSharedBytes = 1024
)

// sharedText returns the copy of text that is kept.
func sharedText[T string | []byte](s *sharedTexts, text T) *string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.kept[string(text)]; kept != nil {
		return kept
	}
	own := strings.Clone(string(text)) // it may be a piece of a whole request head
	if len(own) > maxSharedBytes {
		return &own
	}
	if s.kept == nil || len(s.kept) >= maxSharedTexts {
		s.kept = make(map[string]*string)
	}
	s.kept[own] = &own
	return &own
}

// settle makes c as small as it can be before it is kept as long as the connection: texts that others have too are
// shared, and id and address are pieces of the prefix's own part, which it returns.
func (s *sharedTexts) settle(c *gateway.Connection) (own string) {
	c.DomainName, c.UserAgent = *sharedText(s, c.DomainName), *sharedText(s, c.UserAgent)
	own = string(event.AppendConnectionOwn(nil, c))
	c.ID, c.SourceIP = gateway.ConnectionID(piece(own, string(c.ID))), piece(own, c.SourceIP)
	return own
}

// piece returns the part of text that equals part, or part itself.
func piece(text, part string) string {
	if i := strings.Index(text, part); i >= 0 {
		return text[i : i+len(part)]
	}
	return part
}

// newPrefix is that of a connection whose own part settle has returned. What an authorizer left, or the handshake, is in
// the client's piece.
func (s *sharedTexts) newPrefix(c *gateway.Connection, own string) prefix {
	p := prefix{own: own}
	p.address = sharedText(s, event.AppendConnectionAddress(nil, c))
	client := event.AppendConnectionClient(nil, c)
	if c.Caller == nil && c.Handshake == nil && len(c.Authorizer) == 0 {
		p.client = sharedText(s, client)
	} else {
		text := string(client)
		p.client = &text
	}
	return p
}
