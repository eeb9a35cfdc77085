package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NATS servers that can be killed and frozen, and a cable to them that can be cut.

// serverVariable in the environment makes the test program a NATS server; its value is a serverConfig.
const serverVariable = "NATS_SERVER_OF_TEST"

// serverConfig is what a NATS server in a process of its own needs to know.
type serverConfig struct {
	Name, Dir     string
	Port, Cluster int
	Routes        []int
}

// runNATSServer runs a NATS server with JetStream until the process is killed, as deploy/nats configures one.
func runNATSServer(text string) int {
	var c serverConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		fmt.Println("NATS server:", err)
		return 1
	}
	options := &server.Options{
		ServerName: c.Name, Host: "127.0.0.1", Port: c.Port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: c.Dir,
		MaxPayload: 8 << 20, DisableJetStreamBanner: true, PingInterval: 2 * time.Second, MaxPingsOut: 2,
	}
	if c.Cluster != 0 {
		options.Cluster = server.ClusterOpts{Name: "chaos", Host: "127.0.0.1", Port: c.Cluster, PingInterval: 2 * time.Second, MaxPingsOut: 2}
		for _, port := range c.Routes {
			options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
		}
	}
	s, err := server.NewServer(options)
	if err != nil {
		fmt.Println("NATS server:", err)
		return 1
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		fmt.Println("NATS server: not ready")
		return 1
	}
	fmt.Println("NATS server is ready")
	s.WaitForShutdown()
	return 0
}

// natsServer is one of them, as a test sees it.
type natsServer struct {
	t      *testing.T
	config serverConfig
	cmd    *exec.Cmd
	output *output
	ended  chan struct{}
}

// natsServers starts a cluster of n servers, or one alone, and waits until JetStream can store with n replicas.
func natsServers(t *testing.T, n int) []*natsServer {
	t.Helper()
	ports := freePorts(t, 2*n)
	var servers []*natsServer
	for i := range n {
		c := serverConfig{Name: fmt.Sprintf("n%d", i), Dir: t.TempDir(), Port: ports[i]}
		if n > 1 {
			c.Cluster = ports[n+i]
			for j := range n {
				if j != i { // its own route in the list would break the count of servers (nats-facts §9.1)
					c.Routes = append(c.Routes, ports[n+j])
				}
			}
		}
		servers = append(servers, &natsServer{t: t, config: c})
	}
	for _, s := range servers {
		s.start()
	}
	for _, s := range servers {
		s.output.await(t, "NATS server is ready")
	}
	nc := connectNATS(t, urls(servers))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "JetStream stores", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "probe", Subjects: []string{"probe"}, Replicas: n})
		if err == nil {
			err = js.DeleteStream(ctx, "probe")
		}
		return err
	})
	return servers
}

func (s *natsServer) start() {
	s.t.Helper()
	config, err := json.Marshal(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	s.output, s.ended = &output{}, make(chan struct{})
	s.cmd = exec.Command(program)
	s.cmd.Env = append(os.Environ(), serverVariable+"="+string(config))
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, ended := s.cmd, s.ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
}

// kill ends the server as a crash does.
func (s *natsServer) kill() {
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.ended
}

func (s *natsServer) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.config.Port) }

func urls(servers []*natsServer) string {
	var list []string
	for _, s := range servers {
		list = append(list, s.url())
	}
	return strings.Join(list, ",")
}

// freePorts returns ports at which nobody listened a moment ago.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// connectNATS connects the test itself, for as long as it lasts and whatever happens to the servers.
func connectNATS(t *testing.T, list string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(list, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.PingInterval(2*time.Second),
		nats.MaxPingsOutstanding(2), nats.RetryOnFailedConnect(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// cable carries TCP connections to a server until it is cut, and again when it is mended. A silent one looks connected
// and carries nothing, as behind a firewall that drops packets.
type cable struct {
	t        *testing.T
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	cut    bool
	silent chan struct{} // not nil while nothing is carried; closed when it is again
}

func startCable(t *testing.T, target string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{t: t, listener: listener, target: strings.TrimPrefix(target, "nats://"), conns: make(map[net.Conn]bool)}
	c.running.Go(c.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		c.mend()
		c.pull()
		c.running.Wait()
	})
	return c
}

func (c *cable) url() string { return "nats://" + c.listener.Addr().String() }

func (c *cable) accept() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !c.hold(near, far) {
			continue
		}
		c.running.Go(func() { c.carry(near, far) })
		c.running.Go(func() { c.carry(far, near) })
	}
}

// hold notes a pair of connections, or closes it when the cable is cut.
func (c *cable) hold(pair ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range pair {
		if c.cut {
			_ = conn.Close()
		} else {
			c.conns[conn] = true
		}
	}
	return !c.cut
}

func (c *cable) carry(from, to net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		silent := c.silent
		c.mu.Unlock()
		if silent != nil {
			<-silent
		}
		if err == nil {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			break
		}
	}
	_ = from.Close()
	_ = to.Close()
	c.mu.Lock()
	delete(c.conns, from)
	c.mu.Unlock()
}

// pull cuts what is connected and refuses what wants to be.
func (c *cable) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for conn := range c.conns {
		_ = conn.Close()
	}
}

// mute carries nothing from now on, without a word to either side.
func (c *cable) mute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = make(chan struct{})
}

// mend makes the cable whole. What was muted is cut first: an address that comes back knows nothing of old connections.
func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silent != nil {
		for conn := range c.conns {
			_ = conn.Close()
		}
		close(c.silent)
		c.silent = nil
	}
	c.cut = false
}

// freeze stops a process without ending it, and thaw lets it run again.
func freeze(t *testing.T, p *os.Process) {
	t.Helper()
	signalTo(t, p, syscall.SIGSTOP)
	eventually(t, "the process stands still", func() error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.Pid))
		if err != nil || len(threads) == 0 {
			return nil // another system, which does not tell
		}
		for _, name := range threads {
			if text, err := os.ReadFile(name); err == nil && !strings.Contains(string(text), "State:\tT") {
				return errorf("%s runs", name)
			}
		}
		return nil
	})
}

func thaw(t *testing.T, p *os.Process) { signalTo(t, p, syscall.SIGCONT) }

func signalTo(t *testing.T, p *os.Process, s os.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}
