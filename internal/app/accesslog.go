package app

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/router"
)

// startAccessLog opens what the stages' access logs go to, and opens files anew when it is asked to.
func (p *process) startAccessLog(ctx context.Context, _ context.CancelCauseFunc) error {
	p.accessLog = accesslog.NewSink(accesslog.Config{Stdout: p.config.Stdout, Stderr: p.config.Stderr, Logger: p.logger})
	p.life.onStop("access log", p.accessLog.Close)
	if err := p.accessLog.Use(destinations(p.live.Load())); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // rotation goes on while clients are drained
	p.life.onStop("rotation of access logs", func(context.Context) error { cancel(); return nil })
	p.routine.Go(func() { p.reopenAccessLog(ctx) })
	return nil
}

func (p *process) reopenAccessLog(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.config.Reopen:
		}
		if err := p.accessLog.Reopen(); err != nil {
			p.logger.Error("an access log was not opened anew; its lines go to the old file", "error", err)
			continue
		}
		p.logger.Info("the access logs were opened anew")
	}
}

// destinations are the places that a table's stages write their access logs to.
func destinations(t *router.Table) []string {
	var names []string
	for _, program := range t.Programs() {
		if log := program.AccessLog(); log != nil && !slices.Contains(names, log.Destination) {
			names = append(names, log.Destination)
		}
	}
	return names
}
