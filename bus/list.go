package bus

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// pageSize keeps a page of records under the smallest max_payload in use, 1 MiB: a record is about 300 bytes, and
	// pageBytes ends a page early when they are longer.
	pageSize  = 500
	pageBytes = 512 << 10
	// maxListings bounds what an edge does for listings at the same time; each remembers the ids that it will show.
	maxListings = 4
	// pageWait bounds how long an edge waits for a reader to take a page, and a reader for the next one.
	pageWait = 10 * time.Second
	// maxListRequest bounds a listing's request before it is parsed.
	maxListRequest = 4 << 10
)

// ListFilter chooses connections. Empty members choose all.
type ListFilter struct {
	API   gateway.APIID     `json:"api,omitempty"`
	Stage gateway.StageName `json:"stage,omitempty"`
	// Edge asks one incarnation only.
	Edge gateway.EdgeID `json:"-"`
	// Limit ends the listing after so many connections; 0 is no limit.
	Limit int `json:"limit,omitempty"`
}

func (f ListFilter) takes(c *gateway.Connection) bool {
	return (f.API == "" || f.API == c.API) && (f.Stage == "" || f.Stage == c.Stage)
}

// listPage is one answer of an edge. A page that is not the last carries a reply subject: its reader answers there to
// get the next one, so neither side ever holds more than a page.
type listPage struct {
	Connections []gateway.ConnectionStatus `json:"connections"`
	Last        bool                       `json:"last"`
}

// onList starts a listing on a goroutine of its own, which Close waits for.
func (s *ConnectionServer) onList(m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	var filter ListFilter
	if len(m.Data) > maxListRequest || len(m.Data) > 0 && json.Unmarshal(m.Data, &filter) != nil {
		s.respond(m, commandError(m.Reply, gateway.Errorf(gateway.CodeBadRequest, "not a listing's filter")))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.listings >= maxListings {
		s.respond(m, commandError(m.Reply, gateway.Errorf(gateway.CodeUnavailable, "the edge lists for others already")))
		return
	}
	s.listings++
	s.lists.Go(func() {
		defer s.endListing()
		if err := s.list(m.Reply, filter); err != nil && s.ctx.Err() == nil {
			s.logger.Info("a listing of connections ended early", slog.Any("error", err))
		}
	})
}

func (s *ConnectionServer) endListing() {
	s.mu.Lock()
	s.listings--
	s.mu.Unlock()
}

// list sends the pages. It notes the ids first and looks each connection up again for its page, so that the edge's
// tables are never held while a reader takes its time.
func (s *ConnectionServer) list(reply string, filter ListFilter) error {
	var ids []gateway.ConnectionID
	if s.config.List != nil {
		for c := range s.config.List {
			if filter.takes(&c.Connection) {
				ids = append(ids, c.ID)
			}
			if filter.Limit > 0 && len(ids) >= filter.Limit {
				break
			}
		}
	}
	for {
		body, rest, err := s.page(ids)
		if err != nil {
			return err
		}
		ids = rest
		m := replyMessage(reply, &gateway.Reply{Status: 200, Body: body})
		if len(ids) == 0 {
			return s.config.Conn.nc.PublishMsg(m)
		}
		ctx, cancel := context.WithTimeout(s.ctx, pageWait)
		_, err = s.config.Conn.nc.RequestMsgWithContext(ctx, m)
		cancel()
		if err != nil {
			return err
		}
	}
}

// page encodes the next connections and returns what is left. Connections that have closed meanwhile are left out.
func (s *ConnectionServer) page(ids []gateway.ConnectionID) ([]byte, []gateway.ConnectionID, error) {
	page := listPage{Connections: []gateway.ConnectionStatus{}}
	size := 0
	for len(ids) > 0 && len(page.Connections) < pageSize && size < pageBytes {
		status, ok := s.config.Look(ids[0])
		ids = ids[1:]
		if !ok {
			continue
		}
		size += recordOverhead + len(status.UserAgent) + len(status.Authorizer) + len(status.DomainName)
		page.Connections = append(page.Connections, status)
	}
	page.Last = len(ids) == 0
	b, err := json.Marshal(page)
	return b, ids, err
}

// recordOverhead is what a record has beside its texts of no fixed length.
const recordOverhead = 256

// readPages asks one edge and yields its connections until yield returns false or there are no more.
func (c *Connections) readPages(ctx context.Context, edge gateway.EdgeID, f ListFilter, yield func(gateway.ConnectionStatus) bool) (bool, error) {
	request, err := json.Marshal(f)
	if err != nil {
		return false, err
	}
	nc := c.conn.nc
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return false, publishError(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails when the connection is closed, which does the same
	if err := nc.PublishRequest(c.subjects.EdgeList(edge), inbox, request); err != nil {
		return false, publishError(err)
	}
	for {
		wait, cancel := context.WithTimeout(ctx, pageWait)
		m, err := sub.NextMsgWithContext(wait)
		cancel()
		if errors.Is(err, nats.ErrNoResponders) {
			return false, gateway.Errorf(gateway.CodeGone, "edge %s is gone", edge)
		}
		if err != nil {
			return false, gateway.Errorf(gateway.CodeUnavailable, "edge %s does not answer", edge).Because(err)
		}
		reply, _, err := readReply(m)
		if err != nil {
			return false, err
		}
		var page listPage
		if err := json.Unmarshal(reply.Body, &page); err != nil {
			return false, gateway.Errorf(gateway.CodeInternal, "edge %s answered with no page", edge).Because(err)
		}
		for _, status := range page.Connections {
			if !yield(status) {
				return false, nil
			}
		}
		if page.Last {
			return true, nil
		}
		if err := m.Respond(nil); err != nil {
			return false, publishError(err)
		}
	}
}
