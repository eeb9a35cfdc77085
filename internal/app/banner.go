package app

import (
	"fmt"

	"github.com/sallyport/sallyport/gateway"
)

// announce prints one line per thing that a person needs next.
func (p *process) announce() {
	p.console.Println(p.console.in(bold, "Sallyport "+string(p.config.Mode)) + " is ready. Ctrl-C ends it.")
	p.printStages()
	p.printLine("NATS", p.addresses.NATS, "for backends; subjects begin with "+p.config.Prefix)
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
		name := string(program.API())
		switch program.Protocol() {
		case gateway.ProtocolWebSocket:
			p.printLine(name, clientURL("ws", p.addresses.Data, program.API(), program.Stage()),
				"callbacks at "+clientURL("http", p.addresses.Data, program.API(), program.Stage()))
		case gateway.ProtocolHTTP:
			p.printLine(name, clientURL("http", p.addresses.Data, program.API(), program.Stage())+"/", "")
		}
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
