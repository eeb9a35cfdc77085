package app

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/router"
)

// startAccessLog opens what the stages' access logs go to.
func (p *process) startAccessLog(context.Context, context.CancelCauseFunc) error {
	p.accessLog = accesslog.NewSink(accesslog.Config{Stdout: p.config.Stdout, Stderr: p.config.Stderr, Logger: p.logger})
	p.life.onStop("access log", p.accessLog.Close)
	return p.accessLog.Use(destinations(p.live.Load()))
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
