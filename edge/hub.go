package edge

import (
	"hash/maphash"
	"sync"

	"github.com/sallyport/sallyport/gateway"
)

// hub finds open sockets by id. Its locks are held for a map access only, and no socket's lock is taken meanwhile.
type hub struct {
	seed   maphash.Seed
	shards [hubShards]hubShard
}

type hubShard struct {
	mu      sync.RWMutex
	sockets map[gateway.ConnectionID]*socket
}

func newHub() *hub {
	h := &hub{seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].sockets = make(map[gateway.ConnectionID]*socket)
	}
	return h
}

func (h *hub) shard(id gateway.ConnectionID) *hubShard {
	return &h.shards[maphash.String(h.seed, string(id))%hubShards]
}

func (h *hub) add(k *socket) {
	s := h.shard(k.conn.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets[k.conn.ID] = k
}

// remove reports whether the socket was there.
func (h *hub) remove(k *socket) bool {
	s := h.shard(k.conn.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets[k.conn.ID] != k {
		return false
	}
	delete(s.sockets, k.conn.ID)
	return true
}

func (h *hub) get(id gateway.ConnectionID) *socket {
	s := h.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sockets[id]
}

// all returns the open sockets as they are now.
func (h *hub) all() []*socket {
	var out []*socket
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		for _, k := range s.sockets {
			out = append(out, k)
		}
		s.mu.RUnlock()
	}
	return out
}

// appendShard appends the open sockets of one stage that are in shard i.
func (h *hub) appendShard(dst []*socket, i int, api gateway.APIID, stage gateway.StageName) []*socket {
	s := &h.shards[i]
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.sockets {
		if k.conn.API == api && k.conn.Stage == stage {
			dst = append(dst, k)
		}
	}
	return dst
}

// each calls yield for the open sockets of one shard after another, without a lock, until it returns false.
func (h *hub) each(yield func(*socket) bool) {
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		part := make([]*socket, 0, len(s.sockets))
		for _, k := range s.sockets {
			part = append(part, k)
		}
		s.mu.RUnlock()
		for _, k := range part {
			if !yield(k) {
				return
			}
		}
	}
}
