package app

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// manager is the socket of a service manager.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func listen(t *testing.T, name string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t, conn}
}

// hear returns the next datagram.
func (m *manager) hear() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, err := m.conn.Read(buffer)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buffer[:n])
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestNotifierTellsTheManager(t *testing.T) {
	names := map[string]string{"path": filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names["abstract"] = "@sallyport-test-" + strconv.Itoa(os.Getpid())
	}
	for kind, name := range names {
		t.Run(kind, func(t *testing.T) {
			m := listen(t, name)
			n, err := newNotifier(environment("NOTIFY_SOCKET", name, "WATCHDOG_USEC", "20000"))
			if err != nil {
				t.Fatal(err)
			}
			var state atomic.Value
			state.Store("ready")
			n.ready(func() string { return state.Load().(string) })
			if got, want := m.hear(), "READY=1\nSTATUS=ready\n"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if got, want := m.hear(), "WATCHDOG=1\n"; got != want {
				t.Errorf("%q, want %q: the state did not change", got, want)
			}
			state.Store("not ready: NATS is not\nconnected")
			m.awaits("STATUS=not ready: NATS is not connected\nWATCHDOG=1\n")
			n.stopping(8 * time.Second)
			m.awaits("STOPPING=1\nSTATUS=stopping: clients are closed\nEXTEND_TIMEOUT_USEC=8000000\n")
			if got, want := m.hear(), "WATCHDOG=1\n"; got != want {
				t.Errorf("%q, want %q: a drain needs signs of life too", got, want)
			}
			n.close()
		})
	}
}

// awaits fails when something else than signs of life comes before want.
func (m *manager) awaits(want string) {
	m.t.Helper()
	for got := m.hear(); got != want; got = m.hear() {
		if got != "WATCHDOG=1\n" {
			m.t.Fatalf("%q came where %q was due", got, want)
		}
	}
}

// TestAHungStateGivesNoSignOfLife: the watchdog restarts a process whose state can't be read any more.
func TestAHungStateGivesNoSignOfLife(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	m := listen(t, name)
	n, err := newNotifier(environment("NOTIFY_SOCKET", name, "WATCHDOG_USEC", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	asked, free := make(chan struct{}), make(chan struct{})
	looks := 0
	n.ready(func() string {
		if looks++; looks == 2 { // the first after the start
			close(asked)
			<-free
		}
		return "ready"
	})
	if got, want := m.hear(), "READY=1\nSTATUS=ready\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	<-asked
	n.tell("MAINPID=1") // a mark: nothing came before it
	if got := m.hear(); got != "MAINPID=1\n" {
		t.Errorf("%q was told while the state hung", got)
	}
	close(free)
	n.close()
}

func TestWithoutAManagerNobodyIsTold(t *testing.T) {
	n, err := newNotifier(environment())
	if n != nil || err != nil {
		t.Fatalf("%v, %v", n, err)
	}
	n.ready(func() string { return "ready" })
	n.stopping(time.Second)
	for _, name := range []string{"notify", "tcp:host:1", filepath.Join(t.TempDir(), "absent")} {
		if n, err := newNotifier(environment("NOTIFY_SOCKET", name)); n != nil || err == nil || !strings.Contains(err.Error(), "NOTIFY_SOCKET") {
			t.Errorf("%s: %v, %v", name, n, err)
		}
	}
}

func TestWatchdogTime(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	tests := []struct {
		name string
		env  []string
		want time.Duration
	}{
		{"none", nil, 0},
		{"ours", []string{"WATCHDOG_USEC", "30000000", "WATCHDOG_PID", own}, 30 * time.Second},
		{"nobody's in particular", []string{"WATCHDOG_USEC", "30000000"}, 30 * time.Second},
		{"a parent's", []string{"WATCHDOG_USEC", "30000000", "WATCHDOG_PID", "1"}, 0},
		{"no number", []string{"WATCHDOG_USEC", "30s"}, 0},
		{"negative", []string{"WATCHDOG_USEC", "-1"}, 0},
		{"beyond sense", []string{"WATCHDOG_USEC", "9223372036854775807"}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := watchdogTime(environment(test.env...)); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
