package edge

import "net"

// engine moves bytes between accepted connections and their sockets. It knows nothing of frames. The goroutine engine
// serves every system and every kind of connection; a poller-based one differs only in how it waits.
type engine interface {
	// open takes nc over and returns the end that p writes to. Nothing is read before link.start.
	open(nc net.Conn, p peer) link
	// wait returns when every link has ended. No link is opened any more.
	wait()
}

// link is one connection in an engine's hands. Its methods never block. write, flush and shutdown are called with the
// socket's lock held, so they call the peer back only from another goroutine.
type link interface {
	// start begins to read. early are bytes that arrived before; the link may keep them until they are used up.
	start(early []byte)
	// write gives b to the connection and returns how much it took: everything, less when the client reads slowly, or
	// nothing on connections that can't be asked. No flush is under way then.
	write(b []byte) (int, error)
	// flush writes what peer.pending offers until that is nothing.
	flush()
	// resume goes on reading after receive said stop.
	resume()
	// settle asks for peer.settled when all that has arrived was received. Before start, and while receive has said stop, it
	// may be forgotten.
	settle()
	// shutdown ends the outgoing direction only.
	shutdown()
	// close ends the connection. It may be called twice.
	close()
}

// peer is a socket as its engine sees it.
type peer interface {
	// receive takes bytes that the client sent, and may change them. It returns how many it used and whether it wants
	// more. If it does and left some, others should have their turn before it gets those; if it does not, the engine keeps
	// them until resume and reads nothing meanwhile. Calls never overlap.
	receive(b []byte) (int, bool)
	// settled says that all that has arrived was received. It does not overlap receive.
	settled()
	// gone says that the client can't be read any more, once, after the last receive. err is io.EOF for an orderly end.
	gone(err error)
	// pending returns the next bytes for the client; none ends the flush. Only one flush runs at a time.
	pending() []byte
	// written reports what became of pending's bytes, and returns whether the flush goes on.
	written(n int, err error) bool
}
