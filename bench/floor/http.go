package floor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// headTimeout and idleTimeout free what clients leave behind.
	headTimeout = 10 * time.Second
	idleTimeout = 2 * time.Minute
	// stopTimeout is how long requests under way may take at the end.
	stopTimeout = time.Second
	// maxBody bounds what is read of a request's body.
	maxBody = 16 << 20
)

// HTTP serves until ctx ends. Every request is read and answered with 200 and no body.
func HTTP(ctx context.Context, config Config) error {
	l, err := net.Listen("tcp", config.Listen.String())
	if err != nil {
		return err
	}
	if config.Listening != nil {
		config.Listening(l.Addr().(*net.TCPAddr).AddrPort())
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
		}),
		ReadHeaderTimeout: headTimeout, IdleTimeout: idleTimeout,
	}
	stopped := make(chan error, 1)
	cancel := context.AfterFunc(ctx, func() {
		bounded, release := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer release()
		stopped <- server.Shutdown(bounded)
	})
	err = server.Serve(l)
	if !cancel() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
