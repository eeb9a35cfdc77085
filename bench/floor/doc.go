// Package floor holds the servers that a gateway is compared with: the least that such a server can do.
//
// Echo is a WebSocket echo over raw sockets and epoll, without routes, contexts, limits by message or anything else;
// HTTP answers every request with an empty 200 out of net/http. `sallyport bench serve` runs them, and a gateway's rate
// and CPU are stated as parts of theirs. They speak with whoever reaches them, so they belong on loopback.
//
// One path through Echo: a loop accepts, the handshake is answered out of the read buffer, and from then on each read's
// frames are unmasked in place, copied behind new headers into the loop's one write buffer, and written at once.
package floor
