package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// What the tests of stress have in common: a gateway in a process of its own, which can be measured, and clients that do
// little themselves. docs/stress.md tells what they showed.

// benchDefinition is an API whose route echo is answered in the process.
const (
	benchDefinition = "../bench/testdata/bench.yaml"
	benchPath       = "/bench/dev"
	benchEcho       = `{"action":"echo"}`
	benchAnswer     = `{"echo":"`
)

// bigStress reports whether the tests of stress use the figures of docs/stress.md instead of those for a quick run.
func bigStress() bool { return os.Getenv("SALLYPORT_STRESS") == "full" }

// scaled is a figure for a quick run, or the one for a full run.
func scaled(quick, full int) int {
	if bigStress() {
		return full
	}
	return quick
}

// startStressed starts `serve` on the definitions.
func startStressed(t *testing.T, definition string) *gatewayProcess {
	t.Helper()
	return startProcess(t, "serve", definition, "--data", t.TempDir(), "--drain-timeout", "0s")
}

// usage is what a process holds.
type usage struct {
	residentKiB, peakKiB int
	descriptors          int
}

func (u usage) String() string {
	return fmt.Sprintf("%d MiB resident, %d at most, %d descriptors", u.residentKiB>>10, u.peakKiB>>10, u.descriptors)
}

// usage reads /proc.
func (p *gatewayProcess) usage() (u usage) {
	p.t.Helper()
	dir := "/proc/" + strconv.Itoa(p.cmd.Process.Pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch n, _ := strconv.Atoi(fields[1]); fields[0] {
		case "VmRSS:":
			u.residentKiB = n
		case "VmHWM:":
			u.peakKiB = n
		}
	}
	list, err := os.ReadDir(dir + "/fd")
	if err != nil {
		p.t.Fatal(err)
	}
	u.descriptors = len(list)
	return u
}

// visit connects, asks once and leaves; it returns how long that took.
func visit(ctx context.Context, address string) (time.Duration, error) {
	began := time.Now()
	conn, _, err := websocket.Dial(ctx, "ws://"+address+benchPath, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.CloseNow() }()
	err = ask(ctx, conn)
	return time.Since(began), err
}

// ask sends a message and waits for its answer.
func ask(ctx context.Context, conn *websocket.Conn) error {
	if err := conn.Write(ctx, websocket.MessageText, []byte(benchEcho)); err != nil {
		return err
	}
	_, b, err := conn.Read(ctx)
	if err == nil && !strings.HasPrefix(string(b), benchAnswer) {
		return fmt.Errorf("the answer is %s", b)
	}
	return err
}

// bare is a WebSocket client that is no more than its connection.
type bare struct {
	net.Conn
	in *bufio.Reader
}

// dialBare opens a WebSocket.
func dialBare(t *testing.T, address, path string) *bare {
	t.Helper()
	nc, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	c := &bare{nc, bufio.NewReader(nc)}
	_ = nc.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := fmt.Fprintf(nc, "%s\r\n", strings.Replace(upgradeHead, "/chat/dev", path, 1)); err != nil {
		t.Fatal(err)
	}
	status, err := c.in.ReadString('\n')
	if err != nil || !strings.Contains(status, " 101 ") {
		t.Fatalf("%q, %v", status, err)
	}
	for line := ""; line != "\r\n"; {
		if line, err = c.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// maskedText is a text frame with a mask of zeros: the payload as it is.
func maskedText(payload []byte) []byte {
	const len7, len16 = 125, 1<<16 - 1
	var head []byte
	switch n := len(payload); {
	case n <= len7:
		head = []byte{0x81, 0x80 | byte(n)}
	case n <= len16:
		head = []byte{0x81, 0x80 | 126, byte(n >> 8), byte(n)}
	default:
		head = []byte{0x81, 0x80 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

// frame reads a whole unmasked frame and returns its first byte and its payload.
func (c *bare) frame() (byte, []byte, error) {
	var head [10]byte
	if _, err := io.ReadFull(c.in, head[:2]); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	switch n {
	case 126:
		if _, err := io.ReadFull(c.in, head[2:4]); err != nil {
			return 0, nil, err
		}
		n = int(head[2])<<8 | int(head[3])
	case 127:
		if _, err := io.ReadFull(c.in, head[2:10]); err != nil {
			return 0, nil, err
		}
		n = int(head[6])<<24 | int(head[7])<<16 | int(head[8])<<8 | int(head[9])
	}
	b := make([]byte, n)
	_, err := io.ReadFull(c.in, b)
	return head[0], b, err
}
