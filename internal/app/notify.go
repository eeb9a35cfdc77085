package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// statusEvery is how often the state is looked at when no watchdog asks for more: what `systemctl status` shows is at
	// most that old.
	statusEvery = 5 * time.Second
	// notifyTimeout bounds the writing of one datagram. The service manager reads them at once; when it hangs, a stop
	// must not hang with it.
	notifyTimeout = time.Second
	// watchdogShare is how many signs of life are sent in the time in which the service manager wants one
	// (sd_watchdog_enabled(3): every half of it).
	watchdogShare = 2
)

// notifier tells a service manager such as systemd how the process fares: datagrams of NAME=VALUE lines on the socket
// that NOTIFY_SOCKET names (sd_notify(3)). A nil notifier tells nobody. Its methods may be called concurrently, close once.
type notifier struct {
	conn *net.UnixConn
	// watchdog is the time within which the manager wants a sign of life; 0 when it wants none.
	watchdog time.Duration

	closed    chan struct{}
	attending sync.WaitGroup
}

// newNotifier looks into the environment; without NOTIFY_SOCKET it returns nil. A name that begins with @ is one of
// Linux's abstract sockets.
func newNotifier(getenv func(string) string) (*notifier, error) {
	name := getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil, nil
	}
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET %q is neither a path nor an abstract socket, so no service manager is told", name)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &notifier{conn: conn, watchdog: watchdogTime(getenv), closed: make(chan struct{})}, nil
}

// watchdogTime reads WATCHDOG_USEC, which is meant for us when WATCHDOG_PID is missing or our own.
func watchdogTime(getenv func(string) string) time.Duration {
	microseconds, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || microseconds <= 0 || microseconds > int64(24*time.Hour/time.Microsecond) {
		return 0
	}
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(microseconds) * time.Microsecond
}

func (n *notifier) close() {
	if n == nil {
		return
	}
	close(n.closed)
	n.attending.Wait()
	_ = n.conn.Close() // nothing is buffered
}

// tell sends lines as one datagram, so that the manager takes them together. What it does not take is not sent again:
// the next one tells the newer state.
func (n *notifier) tell(lines ...string) {
	if n == nil {
		return
	}
	if err := n.conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return
	}
	_, _ = n.conn.Write([]byte(strings.Join(lines, "\n") + "\n"))
}

// ready says that the process takes traffic, and keeps the manager informed of its state from then on, until close.
func (n *notifier) ready(state func() string) {
	if n == nil {
		return
	}
	now := state()
	n.tell("READY=1", "STATUS="+oneLine(now))
	n.attending.Go(func() { n.attend(now, state) })
}

// stopping says that the process ends by itself within at most the given time, however short the manager's own limit is.
func (n *notifier) stopping(within time.Duration) {
	n.tell("STOPPING=1", "STATUS=stopping: clients are closed", "EXTEND_TIMEOUT_USEC="+strconv.FormatInt(within.Microseconds(), 10))
}

// attend tells the state when it changes, and gives the signs of life that the watchdog wants, also during a drain, which
// may take longer than the manager waits for one. Each sign follows a look at the state, so that a process whose locks hang
// is restarted, and not one that merely waits for NATS.
func (n *notifier) attend(told string, state func() string) {
	every := statusEvery
	if n.watchdog > 0 {
		every = min(every, n.watchdog/watchdogShare)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-n.closed:
			return
		case <-ticker.C:
		}
		var lines []string
		if now := state(); now != told {
			told = now
			lines = append(lines, "STATUS="+oneLine(now))
		}
		if n.watchdog > 0 {
			lines = append(lines, "WATCHDOG=1")
		}
		if len(lines) > 0 {
			n.tell(lines...)
		}
	}
}

// oneLine keeps a text from beginning a field of its own.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// startNotify finds the service manager, if there is one. That it can't be told is no reason not to serve.
func (p *process) startNotify(context.Context, context.CancelCauseFunc) error {
	n, err := newNotifier(p.config.Getenv)
	if err != nil {
		p.logger.Warn("the service manager is not told of the state", "error", err)
		return nil
	}
	p.notifier = n
	p.life.onStop("service manager", func(context.Context) error { n.close(); return nil })
	return nil
}

// status is the state in one line.
func (p *process) status() string {
	if faults := p.faults(); len(faults) > 0 {
		return "not ready: " + strings.Join(faults, "; ")
	}
	return "ready"
}
