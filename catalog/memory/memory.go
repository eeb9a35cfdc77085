// Package memory keeps a catalog in this process: the twin of catalog/natskv for tests.
package memory

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// Store is a catalog in memory. It may be used concurrently; several users of one Store are as processes of one gateway.
type Store struct {
	mu          sync.Mutex
	deployments map[key]stored
	revision    catalog.Revision
	live        []byte        // encoded, so that nobody shares maps with us; nil for nothing
	changed     chan struct{} // closed at the next commit
}

type key struct {
	api gateway.APIID
	id  gateway.DeploymentID
}

type stored struct {
	document deployment.Frozen
	put      time.Time
}

var _ catalog.Store = (*Store)(nil)

// New returns an empty catalog.
func New() *Store {
	return &Store{deployments: make(map[key]stored), changed: make(chan struct{})}
}

// Put stores a deployment.
func (s *Store) Put(_ context.Context, d *deployment.Frozen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{d.API, d.ID}
	kept, known := s.deployments[k]
	if !known {
		kept.document = *d
		kept.document.Definition = append(json.RawMessage(nil), d.Definition...)
	}
	kept.put = time.Now()
	s.deployments[k] = kept
	return nil
}

// Deployment returns a stored deployment.
func (s *Store) Deployment(_ context.Context, api gateway.APIID, id gateway.DeploymentID) (*deployment.Frozen, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, known := s.deployments[key{api, id}]
	if !known {
		return nil, catalog.ErrNotFound
	}
	d := kept.document
	d.Definition = append(json.RawMessage(nil), d.Definition...)
	return &d, nil
}

// State returns what is live.
func (s *Store) State(context.Context) (catalog.State, error) {
	state, _, err := s.look()
	return state, err
}

// look returns what is live, and what is closed when that has changed.
func (s *Store) look() (catalog.State, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := catalog.State{Revision: s.revision, Live: catalog.Empty()}
	if s.live != nil {
		live, err := deployment.Decode[deployment.Live](s.live)
		if err != nil {
			return catalog.State{}, nil, err
		}
		state.Live = live
	}
	return state, s.changed, nil
}

// Commit makes live what is given.
func (s *Store) Commit(_ context.Context, revision catalog.Revision, live *deployment.Live) (catalog.Revision, error) {
	record, err := deployment.Encode(live)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revision != revision {
		return 0, catalog.ErrConflict
	}
	s.revision++
	s.live = record
	close(s.changed)
	s.changed = make(chan struct{})
	return s.revision, nil
}

// Watch tells of what is and becomes live.
func (s *Store) Watch(ctx context.Context, tell func(catalog.State)) error {
	for {
		state, changed, err := s.look()
		if err != nil {
			return err
		}
		tell(state)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// Sweep removes old deployments.
func (s *Store) Sweep(_ context.Context, before time.Time, keep func(gateway.APIID, gateway.DeploymentID) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, d := range s.deployments {
		if d.put.Before(before) && !keep(k.api, k.id) {
			delete(s.deployments, k)
		}
	}
	return nil
}
