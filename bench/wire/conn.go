package wire

import (
	"net"
	"net/netip"
	"time"
)

type state uint8

const (
	dialing state = iota
	shaking       // the handshake is sent
	open
	closing // our close frame is sent
	closed
)

// Conn is one connection of a Loop. An idle one costs this struct and no buffer. Only the loop's goroutine may touch it.
type Conn struct {
	// Index is the caller's own.
	Index int
	// Began is when it was dialled, on the loop's clock.
	Began time.Duration

	target *Target
	source netip.Addr
	state  state
	deaf   bool // not read any more
	pieces bool // a fragmented message is under way
	fd     int32
	turn   int32    // tells this connection from an earlier one with the same descriptor
	nc     net.Conn // of the transport with goroutines

	in    []byte // an incomplete frame or head
	out   []byte // what the socket did not take yet
	parts []byte // the fragments so far
	key   []byte // the accept value to expect, until open
	why   error  // of closing: the server's reason, or nil for our own
	http  *answer
}

// Open reports whether messages may be sent.
func (c *Conn) Open() bool { return c.state == open }

// Deaf reports whether the connection is not read, see Loop.Deafen.
func (c *Conn) Deaf() bool { return c.deaf }

// Target is where it goes.
func (c *Conn) Target() *Target { return c.target }
