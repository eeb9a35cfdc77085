package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/bench"
	"github.com/sallyport/sallyport/bench/load"
)

// startNATS runs a NATS server until the test ends.
func startNATS(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("no NATS server")
	}
	return s
}

func TestPushByNATS(t *testing.T) {
	s, broker := newPushServer(t), startNATS(t)
	conn, err := nats.Connect(broker.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const prefix = "acme.api.stage.@connections."
	if _, err := conn.Subscribe(prefix+"*", func(m *nats.Msg) {
		s.mu.Lock()
		c := s.clients[strings.TrimPrefix(m.Subject, prefix)]
		s.mu.Unlock()
		s.write(c, string(m.Data))
	}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, scenario := range []load.Scenario{load.Push, load.Fanout} {
		job := s.job(scenario)
		job.NATS, job.Prefix, job.Rate = broker.ClientURL(), "acme", 50
		r := run(t, bench.Config{Job: job})
		deliveries := int64(10)
		if scenario == load.Fanout {
			deliveries = 100
		}
		if r.Messages.Sent != 10 || r.Latency.Count != deliveries || r.Messages.Unanswered > 0 {
			t.Errorf("%s: %+v", scenario, r.Messages)
		}
	}
	job := s.job(load.Push)
	job.NATS = "nats://127.0.0.1:1"
	if _, err := bench.Run(t.Context(), bench.Config{Job: job}); err == nil || !strings.Contains(err.Error(), "--nats nats://127.0.0.1:1") {
		t.Errorf("%v", err)
	}
	job.NATS, job.URLs = broker.ClientURL(), []string{strings.TrimSuffix(s.url, "/api/stage")}
	if _, err := bench.Run(t.Context(), bench.Config{Job: job}); err == nil || !strings.Contains(err.Error(), "{api}/{stage}") {
		t.Errorf("%v", err)
	}
}
