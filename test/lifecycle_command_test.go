package test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/internal/app"
)

// commandVariable in the environment makes the test program the backend that --run starts.
const commandVariable = "COMMAND_BACKEND_OF_TEST"

// runCommandBackend serves the chat's route "ask" until it is asked to end: it answers with its process number, and dies
// of the word "die".
func runCommandBackend() int {
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		fmt.Println("backend:", err)
		return 1
	}
	died := make(chan struct{})
	_, err = nc.QueueSubscribe(os.Getenv("SALLYPORT_PREFIX")+".chat.dev.ws.ask", "backend", func(m *nats.Msg) {
		if strings.Contains(string(m.Data), "die") {
			close(died)
			return
		}
		_ = m.Respond(fmt.Appendf(nil, "process %d", os.Getpid())) // the client shows whether it came
	})
	if err == nil {
		_, err = nc.QueueSubscribe(os.Getenv("SALLYPORT_PREFIX")+".chat.dev.ws.$disconnect", "backend", func(m *nats.Msg) {
			_ = m.Respond(nil)
			fmt.Printf("process %d hears of a disconnect\n", os.Getpid())
		})
	}
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		fmt.Println("backend:", err)
		return 1
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	fmt.Printf("process %d serves; callbacks at %s\n", os.Getpid(), os.Getenv("SALLYPORT_CALLBACK_URL"))
	select {
	case <-died:
		return 3
	case <-asked:
		nc.Close()
		fmt.Printf("process %d was asked to end\n", os.Getpid())
		return 0
	}
}

// The command of --run is started again when it dies, and ended with the gateway, after the gateway's clients.
func TestRunKeepsTheBackendAlive(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, map[string]string{"chat.yaml": strings.Replace(natsChat, "  $connect: {integration: {type: NATS}}\n", "", 1)}, func(c *app.Config) {
		c.Run = `"` + program + `"`
		c.Environ = func() []string { return append(os.Environ(), commandVariable+"=1") }
	})
	u := dial(t, g.Data, "/chat/dev")
	g.output.await(t, " serves; callbacks at http://"+g.Data+"/chat/dev")
	first := g.output.find(`run │ (process \d+) serves`)
	u.say(`{"action":"ask"}`)
	u.hears(first)

	u.say(`{"action":"ask","text":"die"}`)
	g.output.await(t, "ended (exit status 3); starting it again")
	g.output.awaitCount(t, " serves; callbacks", 2)
	second := g.output.find(`(?s).*run │ (process \d+) serves`)
	if second == first {
		t.Fatalf("the second backend is the first: %s", second)
	}
	u.say(`{"action":"ask"}`)
	u.hears(second)

	if err := g.stopWith(u); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
	g.output.await(t, "run │ "+second+" hears of a disconnect")
	g.output.await(t, "run │ "+second+" was asked to end")
	var pid int
	if _, err := fmt.Sscanf(second, "process %d", &pid); err != nil {
		t.Fatal(err)
	}
	eventually(t, second+" ends with the gateway", func() error { return stillRuns(pid) })
}

// stillRuns says whether a process runs. One that has ended and that nobody has asked about, as happens to orphans in a
// container without an init process, has ended.
func stillRuns(pid int) error {
	process, err := os.FindProcess(pid)
	if err != nil || process.Signal(syscall.Signal(0)) != nil {
		return nil
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err == nil && strings.Contains(string(status), "State:\tZ") {
		return nil
	}
	return errors.New("it still runs")
}
