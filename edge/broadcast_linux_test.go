package edge

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/gateway"
)

// crowd reads for many clients with one thread and counts their bytes.
type crowd struct {
	epoll int
	bytes atomic.Int64
	ended chan struct{}
}

// newCrowd connects n clients. Their backend hears nothing, so that the server alone is measured.
func newCrowd(b *testing.B, w *world, n int) *crowd {
	b.Helper()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	c := &crowd{epoll: fd, ended: make(chan struct{})}
	for range n {
		one, status, body := w.knock(upgradeRequest("/chat/dev"))
		if status != 101 {
			b.Fatal(status, body)
		}
		raw, err := one.Conn.(*net.TCPConn).SyscallConn()
		if err == nil {
			err = raw.Control(func(s uintptr) {
				if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(s), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s)}); err != nil {
					b.Error(err)
				}
			})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)})
	}
	if err != nil {
		b.Fatal(err)
	}
	go c.run(wake)
	b.Cleanup(func() {
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		<-c.ended
		_, _ = unix.Close(fd), unix.Close(wake)
	})
	return c
}

func (c *crowd) run(wake int) {
	runtime.LockOSThread()
	defer close(c.ended)
	var events [256]unix.EpollEvent
	var buf [64 << 10]byte
	for {
		n, err := unix.EpollWait(c.epoll, events[:], -1)
		if err != nil && err != unix.EINTR { //nolint:errorlint // an errno
			return
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == wake {
				return
			}
			got, _ := unix.Read(int(e.Fd), buf[:])
			c.bytes.Add(int64(max(got, 0)))
		}
	}
}

// wait returns when the crowd has read so many bytes in all.
func (c *crowd) wait(total int64) {
	for c.bytes.Load() < total {
		runtime.Gosched()
	}
}

// BenchmarkBroadcast1000 gives 128 bytes to 1,000 clients over loopback, 200 times: with one call for each message, and
// with so many messages in a call, joined in one write to each client. It is over when the clients have read everything;
// they share the cores.
func BenchmarkBroadcast1000(b *testing.B) {
	const clients, size, burst = 1000, 128, 200
	for _, joined := range []int{1, 10, burst} {
		b.Run(fmt.Sprintf("joined=%d", joined), func(b *testing.B) {
			w := newWorld(b, chatAPI(func(a *gateway.API) {
				delete(a.Routes, gateway.RouteConnect)
				delete(a.Routes, gateway.RouteDisconnect)
			}))
			c := newCrowd(b, w, clients)
			messages := texts(strings.Split(strings.Repeat(strings.Repeat("x", size)+" ", joined-1)+strings.Repeat("x", size), " ")...)
			frames := int64(len(appendMessage(nil, 1, messages[0].Body, 0))) * clients * burst
			total := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				for range burst / joined {
					got, err := w.broadcast(everyone, messages...)
					if err != nil || got != (broadcastResult{took: clients}) {
						b.Fatal(got, err)
					}
				}
				total += frames
				c.wait(total)
			}
			b.ReportMetric(float64(clients*burst*b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
