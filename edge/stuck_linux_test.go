package edge

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/gateway"
)

// kernelMemory is what the kernel holds for a socket (SO_MEMINFO of linux/sock_diag.h): bytes received and not read, the send queue with its
// overhead, and what is reserved ahead.
func kernelMemory(t testing.TB, fd int32) int {
	t.Helper()
	const soMeminfo, received, ahead, sent = 55, 0, 4, 5
	var info [16]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, soMeminfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		t.Skipf("the kernel does not tell a socket's memory: %v", errno)
	}
	return int(info[received] + info[ahead] + info[sent])
}

// queueMemory is what a socket's queue holds on the heap; shared bytes count in full.
func queueMemory(k *socket) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.out == nil {
		return 0
	}
	n := int(unsafe.Sizeof(*k.out)) + cap(k.out.queue)*int(unsafe.Sizeof(&buffer{}))
	for _, buf := range k.out.queue {
		n += int(unsafe.Sizeof(*buf)) + cap(buf.b)
	}
	return n
}

// One client in ten never reads. Pushes to it stop at the bounds of the kernel's buffer and of its queue, and the others
// get everything.
func TestClientsThatNeverRead(t *testing.T) {
	const (
		clients, stuckOf = 100, 10
		pushesOf         = 32 << 10 // bytes of pushes in a round
		// A queue of meetsTarget keeps such a client below target bytes, user and kernel memory together.
		target, meetsTarget = 256_000, 64 << 10
		slack               = 16 << 10 // the last buffer's spare room, and lists
		// sendBufferCost is what Linux may use for sendBufferBytes: it doubles the figure, and overshoots by one write.
		sendBufferCost = 2*sendBufferBytes + flushBytes
	)
	for _, queue := range []int{1 << 20, 128 << 10, gateway.Profile(gateway.ProfileDefault, gateway.ProtocolWebSocket).SendQueueBytes} {
		for _, size := range []int{128, 2000, 60_000} {
			t.Run(fmt.Sprintf("queue %d, messages of %d", queue, size), func(t *testing.T) {
				w := newWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) {
					l.MaxMessageBytes, l.SendQueueBytes = ptr(60_000), ptr(queue)
				})))
				var readers []*client
				var stuck []*socket
				for i := range clients {
					c := w.connect()
					if i%stuckOf == 0 {
						if err := c.Conn.(interface{ SetReadBuffer(int) error }).SetReadBuffer(16 << 10); err != nil {
							t.Fatal(err)
						}
						stuck = append(stuck, w.hub.get(c.id))
						continue
					}
					readers = append(readers, c)
				}
				if _, ok := stuck[0].link.(*epollLink); !ok {
					t.Skip("the descriptor belongs to the runtime's poller")
				}
				message := gateway.Push{Body: []byte(strings.Repeat("x", size))}
				skipped := 0
				for round := 0; skipped < len(stuck); round++ {
					if round > 1000 {
						t.Fatalf("a client that reads nothing took messages for %d rounds", round)
					}
					// Pushes to the stuck alone, then one message to all.
					skipped = 0
					for _, k := range stuck {
						for range 1 + pushesOf/size {
							_ = w.Connections().Post(t.Context(), gateway.ConnectionRef{ID: k.conn.ID}, message)
						}
					}
					got, err := w.broadcast(everyone, message)
					if err != nil || got.took+got.skipped != clients {
						t.Fatal(got, err)
					}
					skipped = got.skipped
					for _, c := range readers {
						c.wantText(string(message.Body))
					}
				}
				worst, kernel, heap := 0, 0, 0
				for _, k := range stuck {
					in, own := kernelMemory(t, k.link.(*epollLink).fd), queueMemory(k)
					if in+own > worst {
						worst, kernel, heap = in+own, in, own
					}
				}
				t.Logf("a client that never reads holds %d KiB: %d in the kernel, %d in its queue", worst>>10, kernel>>10, heap>>10)
				if most := queue + queue/4 + slack; heap > most {
					t.Errorf("the queue holds %d bytes, want at most %d", heap, most)
				}
				if queue <= meetsTarget && worst > target {
					t.Errorf("%d bytes in all, want at most %d", worst, target)
				}
				if kernel > sendBufferCost {
					t.Errorf("the kernel holds %d bytes, want at most %d", kernel, sendBufferCost)
				}
			})
		}
	}
}
