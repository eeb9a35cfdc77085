package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// lifecycle is the one list by which a process stops: what started last stops first, also when a start fails half-way.
// It is used by one goroutine.
type lifecycle struct {
	logger  *slog.Logger
	closers []closer
}

type closer struct {
	name  string
	close func(context.Context) error
}

// onStop adds a step. It must respect its context's deadline.
func (l *lifecycle) onStop(name string, close func(context.Context) error) {
	l.closers = append(l.closers, closer{name, close})
}

// stop runs all steps, last first, each at most once, and returns their faults together. A step that fails does not
// keep the others from running.
func (l *lifecycle) stop(ctx context.Context) error {
	var faults []error
	for _, c := range slices.Backward(l.closers) {
		began := time.Now()
		if err := c.close(ctx); err != nil {
			faults = append(faults, fmt.Errorf("stop %s: %w", c.name, err))
		}
		l.logger.Debug("stopped", "part", c.name, "took", time.Since(began).Round(time.Millisecond))
	}
	l.closers = nil
	return errors.Join(faults...)
}
