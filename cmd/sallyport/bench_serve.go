package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/sallyport/sallyport/bench/floor"
	"github.com/sallyport/sallyport/internal/app"
)

type benchServe struct {
	Engine string `enum:"epoll,http" default:"epoll" help:"epoll: a WebSocket echo on bare sockets (Linux); http: net/http that answers 200 (${default})."`
	Listen string `default:"127.0.0.1:8090" placeholder:"ADDRESS" help:"Listen here (${default})."`
	Loops  int    `default:"1" placeholder:"N" help:"Event loops of epoll, which share the connections (${default})."`
}

// Help shows an example.
func (benchServe) Help() string {
	return `Example:

    sallyport bench echo ws://127.0.0.1:8090/ --connections 1000 --start "sallyport bench serve --engine epoll"

It has no limits worth the name: for loopback only.`
}

// Run serves until ctx ends.
func (c benchServe) Run(ctx context.Context, std streams) error {
	listen, err := netip.ParseAddrPort(c.Listen)
	if err != nil {
		return app.Usagef("--listen %s: %w", c.Listen, err)
	}
	config := floor.Config{Listen: listen, Loops: c.Loops, Listening: func(a netip.AddrPort) { fmt.Fprintf(std.err, "listening on %s\n", a) }}
	if c.Engine == "http" {
		return floor.HTTP(ctx, config)
	}
	return floor.Echo(ctx, config)
}
