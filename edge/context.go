package edge

import (
	"strings"
	"sync"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// prefix is what many connections bring to the contexts of their events: the first and the last piece of
// event.AppendConnection's bytes, kept once for all. The piece between them, which is the connection's own, is written
// anew for each event.
type prefix struct{ address, client *string }

// contextSize is at least how long appendContext's bytes are.
func (k *socket) contextSize() int {
	const own = 128 // names, id, time and address
	return len(*k.prefix.address) + own + len(*k.prefix.client)
}

// appendContext appends what event.AppendConnection would.
func (k *socket) appendContext(dst []byte) []byte {
	dst = append(dst, *k.prefix.address...)
	dst = event.AppendConnectionOwn(dst, k.conn)
	return append(dst, *k.prefix.client...)
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
// shared, and its own are pieces of one.
func (s *sharedTexts) settle(c *gateway.Connection) {
	c.DomainName, c.UserAgent = *sharedText(s, c.DomainName), *sharedText(s, c.UserAgent)
	own := string(c.ID) + c.SourceIP
	c.ID, c.SourceIP = gateway.ConnectionID(own[:len(c.ID)]), own[len(c.ID):]
}

// newPrefix is that of a connection. What an authorizer left, or the handshake, is in the client's piece, and hardly
// anybody else's.
func (s *sharedTexts) newPrefix(c *gateway.Connection) prefix {
	p := prefix{address: sharedText(s, event.AppendConnectionAddress(nil, c))}
	client := event.AppendConnectionClient(nil, c)
	if c.Caller == nil && c.Handshake == nil && len(c.Authorizer) == 0 {
		p.client = sharedText(s, client)
	} else {
		text := string(client)
		p.client = &text
	}
	return p
}
