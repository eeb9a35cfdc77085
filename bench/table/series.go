package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport/sallyport/bench"
)

// series is one comparison. The first server is the one that the others are compared with it by.
type series struct {
	name    string
	servers []*server
	figures []figure
}

// figure is one number of a report.
type figure struct {
	name, unit string
	of         func(*bench.Report) float64
}

// server is a way to do the work, with what it came to in each round.
type server struct {
	name    string
	start   string
	args    []string // of sallyport bench
	missing string   // why it can't be measured here
	reports []*bench.Report
}

// world is where things are.
type world struct {
	bin, node, data string
	seconds         int
}

// Ports that common services do not use. Each server has its own, so that none meets another's connections that rest.
const (
	addressData  = "127.0.0.1:18600"
	addressAdmin = "127.0.0.1:18601"
	addressNATS  = "127.0.0.1:18602"
	addressEpoll = "127.0.0.1:18603"
	addressHTTP  = "127.0.0.1:18604"
	addressPeer  = "127.0.0.1:18605"
	addressWS    = "127.0.0.1:18606"
	addressIO    = "127.0.0.1:18607"
	addressNchan = "127.0.0.1:18608" // in its configuration too
)

const (
	payload  = 128    // bytes, as in the targets
	clients  = 1000   // as in the targets
	rate     = 20_000 // where latencies are compared
	idleFrom = 1000
	// idleTo leaves descriptors to a server that may have 20,000.
	idleTo  = 19_000
	fanoutN = 10_000
)

// series lists what is measured. Sallyport is first in each.
func (w *world) series() []*series {
	fast := []string{"--connections", fmt.Sprint(clients), "--duration", w.duration(), "--warmup", "2s"}
	timed := append([]string{"--rate", fmt.Sprint(rate)}, fast...)
	idle := []string{"--from", fmt.Sprint(idleFrom), "--connections", fmt.Sprint(idleTo), "--settle", "10s", "--duration", "1s"}
	perSecond := figure{"messages", "/s", func(r *bench.Report) float64 { return r.Messages.PerSecond }}
	cpu := figure{"server CPU a message", "µs", serverCPU}
	return []*series{
		{"idle", append(w.servers("idle", idle, true), w.nchan("idle", idle)), []figure{{"memory a connection", "B", memorySlope}}},
		{"echo", w.servers("echo", fast, true), []figure{
			perSecond, cpu, {"start", "ms", func(r *bench.Report) float64 { return 1000 * r.StartSeconds }},
		}},
		{"echo at a rate", w.servers("echo", timed, false), []figure{
			{"p50", "µs", func(r *bench.Report) float64 { return present(r.Latency).P50 }}, {"p99", "µs", func(r *bench.Report) float64 { return present(r.Latency).P99 }}, cpu,
		}},
		{"push by NATS", []*server{w.sallyport("push", append([]string{"--nats", "nats://" + addressNATS, "--in-flight", "4"}, fast...))}, []figure{perSecond, cpu}},
		{"push by HTTP", []*server{
			w.sallyport("push", append([]string{"--sign"}, fast...)),
			w.own("net/http that answers 200", "http", "http://"+addressHTTP+"/", "--engine http --listen "+addressHTTP,
				[]string{"--method", "POST", "--body", strings.Repeat("x", payload), "--connections", "64", "--duration", w.duration()}),
		}, []figure{perSecond, cpu}},
		{"fanout", []*server{
			w.sallyport("fanout", append([]string{"--nats", "nats://" + addressNATS}, w.fanout()...)),
			w.natsServer("fanout", append([]string{
				"--via", "message", "--hello", "CONNECT {\"verbose\":false}\r\nSUB all 1\r\nPING\r\n", "--ready", "PONG",
				"--message", fmt.Sprintf("PUB all %d\r\n%s\r\n", payload, strings.Repeat("x", payload)), "--expect", "MSG all",
			}, w.fanout()...)),
			w.nchan("fanout", append([]string{"--via", "message", "--message", strings.Repeat("x", payload)}, w.fanout()...)),
		}, []figure{{"lag of the last, p50", "µs", func(r *bench.Report) float64 { return present(r.Last).P50 }}}},
		{"connect", []*server{
			w.sallyport("connect", []string{"--connections", "10000", "--duration", w.duration()}),
			w.floor("connect", []string{"--connections", "10000", "--duration", w.duration()}),
		}, []figure{{"handshakes", "/s", func(r *bench.Report) float64 { return r.Messages.PerSecond }}, cpu}},
	}
}

// A report of a run in which nothing came back lacks parts: they are 0 in the table.

func serverCPU(r *bench.Report) float64 {
	if r.Server == nil {
		return 0
	}
	return r.Server.MicrosPerMessage
}

func memorySlope(r *bench.Report) float64 {
	if r.Slope == nil {
		return 0
	}
	return r.Slope.RSSBytes
}

func present(l *bench.Latency) bench.Latency {
	if l == nil {
		return bench.Latency{}
	}
	return *l
}

func (w *world) duration() string { return fmt.Sprintf("%ds", w.seconds) }

func (w *world) fanout() []string {
	return []string{"--connections", fmt.Sprint(fanoutN), "--rate", "1", "--duration", w.duration(), "--warmup", "3s"}
}

// servers are those that echo, peers too when they are asked for.
func (w *world) servers(scenario string, args []string, peers bool) []*server {
	list := []*server{w.sallyport(scenario, args), w.floor(scenario, args)}
	if peers {
		list = append(list, w.natsEcho(scenario, args), w.wsEcho(scenario, args), w.socketIO(scenario, args))
	}
	return list
}

func (w *world) program() string { return filepath.Join(w.bin, "sallyport") }

func (w *world) sallyport(scenario string, args []string) *server {
	url := "ws://" + addressData + "/bench/dev"
	start := fmt.Sprintf("exec %s serve bench/testdata/bench.yaml --listen %s --admin %s --nats-listen %s --data %s --drain-timeout 0s --log-level error",
		w.program(), addressData, addressAdmin, addressNATS, filepath.Join(w.data, "state"))
	return &server{name: "sallyport", start: start, args: append([]string{scenario, url}, args...), missing: missingFile(w.program())}
}

// own is one of the servers of sallyport bench serve.
func (w *world) own(name, scenario, url, serve string, args []string) *server {
	return &server{name: name, start: "exec " + w.program() + " bench serve " + serve, args: append([]string{scenario, url}, args...), missing: missingFile(w.program())}
}

func (w *world) floor(scenario string, args []string) *server {
	return w.own("bare epoll echo", scenario, "ws://"+addressEpoll+"/", "--engine epoll --listen "+addressEpoll, args)
}

func (w *world) natsServer(scenario string, args []string) *server {
	program := filepath.Join(w.bin, "nats")
	return &server{
		name: "nats-server's WebSocket", start: "exec " + program + " --ws " + addressPeer,
		args: append([]string{scenario, "ws://" + addressPeer + "/"}, args...), missing: missingFile(program),
	}
}

// natsEcho asks a responder: each client has a subject of its own for the answers.
func (w *world) natsEcho(scenario string, args []string) *server {
	args = append([]string{"--hello", "CONNECT {\"verbose\":false}\r\nSUB r%c 1\r\nPING\r\n", "--ready", "PONG"}, args...)
	if scenario == "echo" {
		args = append([]string{"--message", fmt.Sprintf("PUB bench.work r%%c %d\r\n%s\r\n", payload, strings.Repeat("x", payload)), "--expect", "MSG r"}, args...)
	}
	s := w.natsServer(scenario, args)
	s.name += " and a responder"
	return s
}

func (w *world) nodeServer(name, module, script, address, url string, args []string) *server {
	host, port, _ := strings.Cut(address, ":")
	s := &server{
		name: name, start: fmt.Sprintf("exec node %s %s %s", filepath.Join(w.node, script), host, port),
		args: append([]string{args[0], url}, args[1:]...), missing: missingFile(packageFile(w.node, module)),
	}
	if s.missing != "" {
		s.missing += " (npm ci --prefix " + w.node + ")"
	}
	return s
}

func (w *world) wsEcho(scenario string, args []string) *server {
	return w.nodeServer("ws on Node", "ws", "ws.mjs", addressWS, "ws://"+addressWS+"/", append([]string{scenario}, args...))
}

func (w *world) socketIO(scenario string, args []string) *server {
	own := []string{scenario, "--hello", "40", "--ready", "40{"}
	if scenario == "echo" {
		own = append(own, "--expect", "42[", "--message", `42["echo",{"n":%d}]`)
	}
	return w.nodeServer("socket.io on Node", "socket.io", "socketio.mjs", addressIO, "ws://"+addressIO+"/socket.io/?EIO=4&transport=websocket", append(own, args...))
}

// nchanModule is where Debian puts it.
const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// nchan holds connections and sends what one client says to all.
func (w *world) nchan(scenario string, args []string) *server {
	config, _ := filepath.Abs("bench/peers/nchan/nginx.conf") // nginx looks for it in its own folder otherwise
	s := &server{
		name: "nchan", start: fmt.Sprintf("exec nginx -p %s -c %s", w.data, config),
		args: append([]string{scenario, "ws://" + addressNchan + "/"}, args...), missing: missingFile(nchanModule),
	}
	if s.missing != "" {
		s.missing += " (Debian: nginx and libnginx-mod-nchan)"
	}
	return s
}

// missingFile says that a file is not there.
func missingFile(path string) string {
	if _, err := os.Stat(path); err != nil {
		return path + " is not there"
	}
	return ""
}
