// Package natskv keeps a catalog in a JetStream key-value bucket, {prefix}-catalog: the key "live" holds what is live,
// "deployment.{api}.{id}" a deployment. Ids are escaped as =XX where keys do not take a byte (nats-facts §1.5).
package natskv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/deployment"
)

const (
	bucketName = "catalog"
	keyLive    = "live"
	keyHead    = "deployment."
)

// Config says where the bucket is. Conn and Prefix are required.
type Config struct {
	Conn *bus.Conn
	// Prefix is that of the deployment's subjects.
	Prefix string
	// Domain is the JetStream domain of the bucket, or "".
	Domain string
	// Replicas of a bucket that is created; 0 means 1.
	Replicas int
	// Logger is told what happens to watches; nil is no log.
	Logger *slog.Logger
}

// Store is a catalog on JetStream.
type Store struct{ bucket *bus.Bucket }

var _ catalog.Store = (*Store)(nil)

// Open finds the bucket or creates it. It waits for JetStream until ctx ends.
func Open(ctx context.Context, c Config) (*Store, error) {
	bucket, err := bus.OpenBucket(ctx, bus.BucketConfig{
		Conn: c.Conn, Prefix: c.Prefix, Name: bucketName, Domain: c.Domain, Replicas: c.Replicas, Logger: c.Logger,
		Description: "API definitions, and which of them are live", MaxValueBytes: deployment.MaxRecordBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	return &Store{bucket: bucket}, nil
}

// Put stores a deployment. That it is written again, with the moment of its first creation, makes it young.
func (s *Store) Put(ctx context.Context, d *deployment.Frozen) error {
	stored, err := s.Deployment(ctx, d.API, d.ID)
	switch {
	case err == nil:
		d = stored
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	record, err := deployment.Encode(d)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	return s.bucket.Put(ctx, deploymentKey(d.API, d.ID), record)
}

// Deployment returns a stored deployment.
func (s *Store) Deployment(ctx context.Context, api gateway.APIID, id gateway.DeploymentID) (*deployment.Frozen, error) {
	key := deploymentKey(api, id)
	record, err := s.bucket.Get(ctx, key)
	if errors.Is(err, bus.ErrNoKey) { // or the server that answered has not heard of it yet
		var entry bus.BucketEntry
		entry, err = s.bucket.Read(ctx, key)
		record = entry.Value
	}
	switch {
	case errors.Is(err, bus.ErrNoKey):
		return nil, catalog.ErrNotFound
	case err != nil:
		return nil, err
	}
	d, err := deployment.Decode[deployment.Frozen](record)
	if err != nil {
		return nil, fmt.Errorf("deployment %s of API %s: %w", id, api, err)
	}
	return d, nil
}

// State returns what is live.
func (s *Store) State(ctx context.Context) (catalog.State, error) {
	entry, err := s.bucket.Read(ctx, keyLive)
	switch {
	case errors.Is(err, bus.ErrNoKey):
		return catalog.State{Live: catalog.Empty()}, nil
	case err != nil:
		return catalog.State{}, err
	}
	return stateOf(entry.Value, entry.Revision)
}

func stateOf(record []byte, revision uint64) (catalog.State, error) {
	live, err := deployment.Decode[deployment.Live](record)
	if err != nil {
		return catalog.State{}, fmt.Errorf("what is live: %w", err)
	}
	if live.APIs == nil {
		live.APIs = catalog.Empty().APIs
	}
	return catalog.State{Revision: catalog.Revision(revision), Live: live}, nil
}

// Commit makes live what is given.
func (s *Store) Commit(ctx context.Context, revision catalog.Revision, live *deployment.Live) (catalog.Revision, error) {
	record, err := deployment.Encode(live)
	if err != nil {
		return 0, fmt.Errorf("catalog: %w", err)
	}
	fresh, err := s.bucket.Update(ctx, keyLive, record, uint64(revision))
	if errors.Is(err, bus.ErrRevision) {
		return 0, catalog.ErrConflict
	}
	return catalog.Revision(fresh), err
}

// Watch tells of what is and becomes live.
func (s *Store) Watch(ctx context.Context, tell func(catalog.State)) error {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	told := false
	err := s.bucket.WatchKey(ctx, keyLive, func(c bus.BucketChange) {
		began := told
		told = true
		switch {
		case c.Current:
			if !began {
				tell(catalog.State{Live: catalog.Empty()})
			}
		case c.Value == nil: // nobody here deletes it; whoever does wants nothing to be live
			tell(catalog.State{Live: catalog.Empty()})
		default:
			state, err := stateOf(c.Value, c.Revision)
			if err != nil {
				cut(err)
				return
			}
			tell(state)
		}
	})
	if err == nil && context.Cause(ctx) != ctx.Err() {
		err = context.Cause(ctx)
	}
	return err
}

// Sweep removes old deployments.
func (s *Store) Sweep(ctx context.Context, before time.Time, keep func(gateway.APIID, gateway.DeploymentID) bool) error {
	var old []bus.BucketEntry
	err := s.bucket.Each(ctx, func(e bus.BucketEntry) {
		api, id, ok := parseKey(e.Key)
		if ok && e.Created.Before(before) && !keep(api, id) {
			old = append(old, e)
		}
	})
	if err != nil {
		return err
	}
	for _, e := range old {
		// One that was put again meanwhile is wanted.
		if err := s.bucket.DeleteRevision(ctx, e.Key, e.Revision); err != nil && !errors.Is(err, bus.ErrRevision) {
			return err
		}
	}
	return nil
}

func deploymentKey(api gateway.APIID, id gateway.DeploymentID) string {
	return keyHead + escape(string(api)) + "." + escape(string(id))
}

func parseKey(key string) (gateway.APIID, gateway.DeploymentID, bool) {
	rest, ok := strings.CutPrefix(key, keyHead)
	if !ok {
		return "", "", false
	}
	api, id, ok := strings.Cut(rest, ".")
	if !ok {
		return "", "", false
	}
	plainAPI, okAPI := unescape(api)
	plainID, okID := unescape(id)
	return gateway.APIID(plainAPI), gateway.DeploymentID(plainID), okAPI && okID
}
