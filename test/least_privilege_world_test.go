package test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// rolesCluster is three NATS servers as deploy/nats has them, with its users.
type rolesCluster struct {
	t     *testing.T
	ports []int
}

// passwordOf is the password of a user.
func passwordOf(user string) string { return "secret-of-" + user }

// startRolesCluster reads deploy/nats/cluster.conf as three servers would, each with its own environment, and runs them.
func startRolesCluster(t *testing.T) *rolesCluster {
	t.Helper()
	const n = 3
	ports := freePorts(t, 2*n)
	for _, user := range []string{"edge", "worker", "control", "chat", "route"} {
		t.Setenv("SALLYPORT_PASSWORD_"+strings.ToUpper(user), passwordOf(user))
	}
	t.Setenv("SALLYPORT_SERVER_HOST", "127.0.0.1")
	var servers []*server.Server
	for i := range n {
		var routes []string
		for j := range n {
			if j != i {
				routes = append(routes, fmt.Sprintf("%q", fmt.Sprintf("nats://route:%s@127.0.0.1:%d", passwordOf("route"), ports[n+j])))
			}
		}
		t.Setenv("SALLYPORT_SERVER_NAME", fmt.Sprintf("nats-%d", i+1))
		t.Setenv("SALLYPORT_SERVER_PORT", fmt.Sprint(ports[i]))
		t.Setenv("SALLYPORT_SERVER_CLUSTER_PORT", fmt.Sprint(ports[n+i]))
		t.Setenv("SALLYPORT_SERVER_ROUTES", "["+strings.Join(routes, ", ")+"]")
		t.Setenv("SALLYPORT_SERVER_STORE", fmt.Sprintf("%q", t.TempDir()))
		options, err := server.ProcessConfigFile(filepath.FromSlash("../deploy/nats/cluster.conf"))
		if err != nil {
			t.Fatal(err)
		}
		options.NoSigs, options.NoLog = true, true
		s, err := server.NewServer(options)
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
		s.Start()
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
	}
	for _, s := range servers {
		if !s.ReadyForConnections(patience) {
			t.Fatalf("%s does not start", s.Name())
		}
	}
	eventually(t, "JetStream has a leader", func() error {
		js, err := servers[0].Jsz(nil)
		if err != nil {
			return err
		}
		if js.Meta == nil || js.Meta.Leader == "" || js.Meta.Size < n {
			return errors.New("it has none")
		}
		return nil
	})
	return &rolesCluster{t: t, ports: ports[:n]}
}

// url is where a user connects to.
func (c *rolesCluster) url(user string) string {
	var list []string
	for _, port := range c.ports {
		list = append(list, fmt.Sprintf("nats://%s:%s@127.0.0.1:%d", user, passwordOf(user), port))
	}
	return strings.Join(list, ",")
}

// start runs a process of one role, and returns when it serves.
func (c *rolesCluster) start(role string, args ...string) *gatewayProcess {
	c.t.Helper()
	p := runProcess(c.t, append([]string{
		"serve", "--roles", role, "--nats", c.url(role), "--node", role, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--data", c.t.TempDir(),
	}, args...)...)
	p.output.awaitIn(c.t, 2*patience, "/readyz")
	p.Data = p.output.find(`://(127\.0\.0\.1:\d+)/[a-z]`)
	p.Admin = p.output.find(`admin +http://(\S+)`)
	return p
}

// natsUser is a NATS user of the test, and what the server refused it.
type natsUser struct {
	*nats.Conn
	t       *testing.T
	refused chan error
}

// join connects a user, to the first server: what one of them sends is before the next answer that another gets.
func (c *rolesCluster) join(user string) *natsUser {
	c.t.Helper()
	m := &natsUser{t: c.t, refused: make(chan error, eventBuffer)}
	nc, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", c.ports[0]), nats.UserInfo(user, passwordOf(user)), nats.DontRandomize(),
		nats.IgnoreDiscoveredServers(), nats.CustomInboxPrefix("_INBOX."+user),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { m.refused <- err }))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(nc.Close)
	m.Conn = nc
	return m
}

// flush waits until the server has dealt with what was sent.
func (m *natsUser) flush() {
	m.t.Helper()
	if err := m.FlushTimeout(patience); err != nil {
		m.t.Fatal(err)
	}
}

// isRefused fails unless the server refused what do sends on a subject.
func (m *natsUser) isRefused(subject string, do func() error) {
	m.t.Helper()
	if err := do(); err != nil {
		m.t.Fatal(err)
	}
	m.flush()
	select {
	case err := <-m.refused:
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), `"`+subject+`"`) {
			m.t.Errorf("%s: refused with %v", subject, err)
		}
	case <-time.After(patience):
		m.t.Errorf("%s was not refused", subject)
	}
}

// mayNotPublish fails unless the user is refused to publish on each subject.
func (m *natsUser) mayNotPublish(subjects ...string) {
	m.t.Helper()
	for _, subject := range subjects {
		m.isRefused(subject, func() error { return m.Publish(subject, []byte("x")) })
	}
}

// mayNotSubscribe is that for subscriptions, in a queue group and without.
func (m *natsUser) mayNotSubscribe(subjects ...string) {
	m.t.Helper()
	for _, subject := range subjects {
		for _, queue := range []string{"", "sallyport"} {
			m.isRefused(subject, func() error {
				_, err := m.QueueSubscribe(subject, queue, func(got *nats.Msg) { m.t.Errorf("%s was read", got.Subject) })
				return err
			})
		}
	}
}

// wasRefused fails when the server has refused the user anything so far.
func (m *natsUser) wasRefused() {
	m.t.Helper()
	m.flush()
	select {
	case err := <-m.refused:
		m.t.Errorf("refused: %v", err)
	default:
	}
}
