package app

import (
	"context"
	"fmt"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/edge"
)

func (p *process) startAccess(context.Context, context.CancelCauseFunc) (err error) {
	p.keys, err = p.opening.keys.wait()
	return err
}

// openKeys opens the access keys that callbacks, handshakes and management calls are signed with. Without a root key
// nobody can sign; serve then starts all the same, since clients and NATS need no signatures.
func (p *process) openKeys(ctx context.Context) (*accesskeys.Store, error) {
	root, ok, err := accesskeys.RootFrom(p.config.Getenv)
	if err != nil {
		return nil, usageError{err}
	}
	if !ok && p.config.Mode == ModeServe {
		p.logger.Info("no root access key: every signed call is refused, and NATS is the only way for callbacks and commands; set both variables to change that",
			"variables", accesskeys.EnvRootID+", "+accesskeys.EnvRootSecret)
	}
	config := accesskeys.Config{Root: root, Logger: p.logger}
	if ok {
		// Without a root secret nothing that is stored opens, and nothing can be stored.
		if config.Bucket, err = accesskeys.OpenBucket(ctx, accesskeys.BucketConfig{
			Conn: p.conn, Prefix: p.config.Prefix, Domain: p.config.NATS.JSDomain, Replicas: p.replicas, Logger: p.logger,
		}); err != nil {
			return nil, fmt.Errorf("access keys: %w", err)
		}
	}
	return accesskeys.Open(ctx, config)
}

// access is who may make management calls.
func (p *process) access() control.Access {
	if p.config.Mode == ModeDev {
		return control.AccessOpen
	}
	return control.AccessSigned
}

// callbackPolicy: HTTP callbacks are open in dev; serve wants them signed (DESIGN §3.11).
func (p *process) callbackPolicy() edge.CallbackPolicy {
	if p.config.Mode == ModeDev {
		return edge.CallbacksOpen
	}
	return edge.CallbacksSigned
}
