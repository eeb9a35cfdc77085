// Command backend is the arena example's backend: a game of 20 ticks a second, over NATS alone.
//
// world.go is the game, arena.go is the way from the routes' subjects to the world and, each tick, back to all
// connections, page/ is what the browser shows.
package main

import (
	"context"
	"os"

	"github.com/sallyport/sallyport/examples/natsbackend"
)

func main() {
	os.Exit(natsbackend.Main(func(ctx context.Context) error {
		return serve(ctx, natsbackend.FromEnvironment(natsbackend.Config{}))
	}))
}
