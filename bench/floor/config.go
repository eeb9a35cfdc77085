package floor

import "net/netip"

// Config configures a server.
type Config struct {
	Listen netip.AddrPort
	// Loops is how many event loops of Echo share the connections: 1 to MaxLoops, 1 when it is 0.
	Loops int
	// Listening, when set, is told the address once connections are accepted.
	Listening func(netip.AddrPort)
}

// MaxLoops bounds Config.Loops: more loops than cores measure nothing.
const MaxLoops = 64
