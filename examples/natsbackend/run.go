package natsbackend

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// FromEnvironment fills URL and Prefix of cfg from NATS_URL and SALLYPORT_PREFIX, as `sallyport dev --run` sets them.
func FromEnvironment(cfg Config) Config {
	cfg.URL = os.Getenv("NATS_URL")
	cfg.Prefix = os.Getenv("SALLYPORT_PREFIX")
	return cfg
}

// Main runs serve until it returns or SIGTERM or an interrupt ends its context, and returns the exit code of the process.
func Main(serve func(context.Context) error) int {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stdout, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
