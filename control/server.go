package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/sallyport/sallyport/authorizers/sigv4"
)

// Server is the admin listener, or the one for health alone. New, then Listen, then Serve, once each.
type Server struct {
	cfg      Config
	verifier *sigv4.Verifier
	http     *http.Server
	listener net.Listener

	tails, lists places
	// streaming ends when Serve stops: streams end with it, other exchanges get shutdownGrace.
	streaming     context.Context //nolint:containedctx // the server's life
	stopStreaming context.CancelFunc
	// exchanging ends when the grace is over: it is the parent of every request's context.
	exchanging     context.Context //nolint:containedctx // the server's life
	stopExchanging context.CancelFunc
	// conns counts the goroutines of client connections, from accept to close.
	conns sync.WaitGroup
}

// New checks the configuration. It binds nothing yet.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	verifier, err := sigv4.New(sigv4.Config{Keys: c.Keys, Services: []string{serviceSallyport, sigv4.ServiceExecuteAPI}})
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: c, verifier: verifier, tails: newPlaces(MaxTails), lists: newPlaces(MaxLists)}
	s.exchanging, s.stopExchanging = context.WithCancel(context.Background())
	s.streaming, s.stopStreaming = context.WithCancel(s.exchanging)
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      responseTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return s.exchanging },
		ConnState:         s.countConns,
	}
	return s, nil
}

// countConns keeps conns: net/http reports each connection as new before its goroutine starts, and as closed or
// hijacked at that goroutine's end.
func (s *Server) countConns(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

// Listen binds the address. The error names the flag and what to do.
func (s *Server) Listen() (net.Addr, error) {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return nil, listenError(s.cfg.Scope.flag(), s.cfg.Listen, err)
	}
	s.listener = listener
	return listener.Addr(), nil
}

// winAddrInUse and winConnRefused are WSAEADDRINUSE and WSAECONNREFUSED, for which Windows has numbers of its own.
const (
	winAddrInUse   = syscall.Errno(10048)
	winConnRefused = syscall.Errno(10061)
)

// flag is the name by which people know the listener.
func (s Scope) flag() string {
	if s == ScopeHealth {
		return "--health"
	}
	return "--admin"
}

func listenError(flag, address string, err error) error {
	var dnsError *net.DNSError
	var addrError *net.AddrError
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, winAddrInUse):
		return fmt.Errorf("%s %s: the port is in use; stop the program that listens there, or choose another port here "+
			"and with the commands that talk to this gateway: %w", flag, address, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s %s: this user may not listen there; choose a port above 1023: %w", flag, address, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s %s: this machine does not have that address: %w", flag, address, err)
	case errors.As(err, &addrError), errors.As(err, &dnsError):
		return fmt.Errorf("%s %s: not an address to listen on; write host:port, such as %s %s: %w", flag, address, flag, DefaultListen, err)
	}
	return fmt.Errorf("%s %s: %w", flag, address, err)
}

// Close releases the address of a server that will not serve. After Serve it does nothing.
func (s *Server) Close() error {
	s.stopExchanging()
	if s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing the listener of %s: %w", s.cfg.Scope.flag(), err)
	}
	return nil
}

// Serve answers until ctx ends or the listener fails. It then ends the streams, gives other exchanges shutdownGrace, cuts
// what is left, and returns when every goroutine of the server has. nil means that ctx ended it.
func (s *Server) Serve(ctx context.Context) error {
	if s.listener == nil {
		return errors.New("control: Serve without Listen")
	}
	defer s.stopExchanging()
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
	}
	s.stopStreaming()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		s.cfg.Logger.Warn("admin exchanges were cut at the end of the grace period", "grace", shutdownGrace)
		s.stopExchanging()
		_ = s.http.Close() // what it reports was closed already
	}
	if failed == nil {
		<-served
	}
	s.conns.Wait()
	return failed
}

// places is a bounded number of things that may go on at a time.
type places chan struct{}

func newPlaces(n int) places { return make(places, n) }

// take reports whether there was a place left. The taker gives it back by leave.
func (p places) take() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) leave() { <-p }
