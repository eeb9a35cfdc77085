// Command backend is the chat example's backend: rooms and names, over NATS alone.
//
// hall.go decides who hears what, chat.go is the way from the routes' subjects to the hall and back to the
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
