package app

import (
	"fmt"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// announce prints one line per thing that a person needs next.
func (p *process) announce() {
	p.console.Println(p.console.in(bold, "Sallyport "+string(p.config.Mode)) + " is ready. Ctrl-C ends it.")
	p.printStages()
	p.printLine("NATS", bus.WithoutSecrets(p.addresses.NATS), "for backends; subjects begin with "+p.config.Prefix)
	if p.addresses.Health != "" {
		p.printLine("health", "http://"+p.addresses.Health, "health and metrics, for probes and Prometheus")
	}
	p.printLine("admin", "http://"+p.addresses.Admin, "/readyz, /metrics, callbacks")
	if p.config.Started != nil {
		p.config.Started(p.addresses)
	}
}

// printStages prints the client and callback URLs of each stage. An HTTP API has no callbacks.
func (p *process) printStages() {
	if p.addresses.Data == "" {
		return
	}
	for _, program := range p.programs() {
		if !program.OnlyDomains() {
			p.printStage(program)
		}
		p.printDomains(program)
	}
}

func (p *process) printStage(program *router.Program) {
	name := string(program.API())
	http, ws := p.config.TLS.schemes()
	switch program.Protocol() {
	case gateway.ProtocolWebSocket:
		p.printLine(name, clientURL(ws, p.addresses.Data, program.API(), program.Stage()),
			"callbacks at "+clientURL(http, p.addresses.Data, program.API(), program.Stage()))
	case gateway.ProtocolHTTP:
		p.printLine(name, clientURL(http, p.addresses.Data, program.API(), program.Stage())+"/", "")
	}
}

// printDomains names the custom domains of a stage. DNS or a proxy has to lead them here, and the proxy decides on
// scheme and port.
func (p *process) printDomains(program *router.Program) {
	for _, m := range program.Domains() {
		p.printLine(string(program.API()), m.String(), "custom domain of stage "+string(program.Stage()))
	}
}

func (p *process) printLine(name, url, note string) {
	line := fmt.Sprintf("  %-12s %s", p.console.in(cyan, name), p.console.in(bold, url))
	if note != "" {
		line += "   " + p.console.in(dim, note)
	}
	p.console.Println(line)
}

// natsURL is where backends find NATS.
func (p *process) natsURL() string {
	if p.embedded != nil {
		return p.embedded.ClientURL()
	}
	return p.config.NATS.URL
}
