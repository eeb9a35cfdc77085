package test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/internal/app"
)

// patience is how long anything may take that should come at once; a test that reaches it has failed.
const patience = 10 * time.Second

// stageGateway is a gateway in this process, on ports of its own.
type stageGateway struct {
	app.Addresses
	dir    string
	output *output
	nats   *nats.Conn
	stop   func() error // ends it and returns what app.Run returned; may be called more than once
}

// startGateway writes the files and runs `dev` on those that are definitions. It ends with the test.
func startGateway(t *testing.T, files map[string]string, change func(*app.Config)) *stageGateway {
	t.Helper()
	dir := t.TempDir()
	config := app.Config{
		Mode: app.ModeDev, Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", NATSListen: "127.0.0.1:0", Data: filepath.Join(dir, "data"),
		Prefix: "sallyport", Node: "test", Domain: "localhost", LogFormat: app.LogText, Version: "test", Environ: os.Environ,
		Getenv: func(string) string { return "" },
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		config.Files = append(config.Files, path)
	}
	g := &stageGateway{dir: dir, output: &output{}}
	config.Stdout, config.Stderr = g.output, g.output
	started := make(chan app.Addresses, 1)
	config.Started = func(a app.Addresses) { started <- a }
	if change != nil {
		change(&config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, config) }()
	g.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("the gateway did not stop")
		}
	})
	t.Cleanup(func() {
		if g.nats != nil {
			g.nats.Close()
		}
		if err := g.stop(); err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the gateway printed:\n%s", g.output)
		}
	})
	select {
	case g.Addresses = <-started:
	case err := <-ended:
		ended <- err
		t.Fatalf("the gateway did not start: %v\n%s", err, g.output)
	case <-time.After(patience):
		t.Fatalf("the gateway did not start in %s\n%s", patience, g.output)
	}
	nc, err := nats.Connect(g.NATS)
	if err != nil {
		t.Fatal(err)
	}
	g.nats = nc
	return g
}

// output collects what a gateway prints and lets tests wait for words in it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	wake chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wake != nil {
		close(o.wake)
		o.wake = nil
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until word has been printed.
func (o *output) await(t *testing.T, word string) {
	t.Helper()
	o.awaitIn(t, patience, word)
}

// awaitIn is await with a time limit.
func (o *output) awaitIn(t *testing.T, most time.Duration, word string) {
	t.Helper()
	deadline := time.After(most)
	for {
		o.mu.Lock()
		if strings.Contains(o.text.String(), word) {
			o.mu.Unlock()
			return
		}
		if o.wake == nil {
			o.wake = make(chan struct{})
		}
		wake := o.wake
		o.mu.Unlock()
		select {
		case <-wake:
		case <-deadline:
			t.Fatalf("%q was not printed; what was:\n%s", word, o)
		}
	}
}
