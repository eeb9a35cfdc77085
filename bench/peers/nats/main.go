// Command nats is two of the servers that a gateway is compared with, by what they do: nats-server with its WebSocket
// listener, and a responder that answers each request on a subject with the request.
//
// With --ws it runs nats-server, of the version in go.mod, and the responder beside it; with --nats alone it is the
// responder of another server, such as a backend for the route `work` of bench/testdata/bench.yaml:
//
//	go run ./bench/peers/nats --nats nats://127.0.0.1:4222 --subject sallyport.bench.dev.ws.work
//
// With --wait or --spin a request takes that time, and with --at-once so many at the same time: bench/workers.sh shows by it
// what more backend processes bring.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func main() {
	ws := flag.String("ws", "", "run nats-server with a WebSocket listener at this `address`")
	url := flag.String("nats", "", "answer requests at this NATS `URL`")
	subject := flag.String("subject", "bench.work", "answer requests on this `subject`")
	var w work
	flag.DurationVar(&w.wait, "wait", 0, "wait so long before each answer")
	flag.DurationVar(&w.spin, "spin", 0, "compute so long before each answer")
	flag.IntVar(&w.atOnce, "at-once", 0, "answer so many requests at the same time; 0 is one after the other")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *ws, *url, *subject, w)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, ws, url, subject string, w work) error {
	var options []nats.Option
	switch {
	case ws != "":
		s, err := startServer(ws)
		if err != nil {
			return err
		}
		defer func() {
			s.Shutdown()
			s.WaitForShutdown()
		}()
		options = append(options, nats.InProcessServer(s))
	case url == "":
		return errors.New("give --ws or --nats")
	}
	conn, err := nats.Connect(url, options...)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := newResponder(w)
	sub, err := conn.QueueSubscribe(subject, "bench", r.on)
	if err != nil {
		return err
	}
	defer r.stop()
	if err := conn.Flush(); err != nil {
		return err
	}
	<-ctx.Done()
	return sub.Unsubscribe()
}

// startTimeout bounds the start, which takes milliseconds.
const startTimeout = 10 * time.Second

func startServer(address string) (*server.Server, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, NoLog: true,
		Websocket: server.WebsocketOpts{Host: host, Port: port, NoTLS: true},
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		return nil, errors.New("nats-server did not start")
	}
	return s, nil
}
