// Package edge holds the client sockets: it accepts connections, upgrades them, reads and writes frames, serves HTTP
// requests and the @connections callbacks, and drains when the process stops.
//
// It decides nothing: router says which route takes a message, a gateway.Sender (the bus client) carries the event to
// whoever runs the route, and a connstore.Journal remembers each connection before a backend can know of it. It owns the
// data plane's listener; the admin listener mounts Server.Callbacks.
//
// One message's way through it, with the file of each step:
//
//	front.accept                  front.go             a connection, TLS when there is a certificate (tls.go); its first request head
//	└ Server.upgrade              handshake.go         resolve, origin, record, $connect, 101
//	  └ engine.open               engine.go            the connection's bytes from now on: event loops on Linux
//	    └ socket.receive          socket_read.go       frames (frames.go, compressed ones deflate.go)
//	      └ Server.message        message.go           route, admit (access.go), event, Sender.Send
//	        └ exchange.finish     message.go           the reply becomes a frame
//	          └ socket.answer     socket_write.go      queue, socket
//	socket.end                    socket_close.go      close frame, out of the hub
//	└ disconnects.add             disconnect.go        $disconnect event, Journal.Closed
//
//	Server.broadcast              broadcast.go         frames made once, passes over many sockets
//	└ socket.give                 broadcast_frames.go  the socket at once, or its queue
//
// Anything that is not an upgrade goes from the front to net/http (front_listener.go) and from there to the HTTP front,
// the callbacks or, for an upgrade on a kept-alive connection, back to Server.upgrade.
package edge
