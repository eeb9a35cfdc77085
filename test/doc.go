// Package test proves what users see, from outside: a whole gateway with its embedded NATS server, real sockets, real
// clients.
//
// transcript_test.go runs the files in transcripts/, each a definition and a script of what clients, backends and
// callers do and what comes back; they are the product's behaviour in readable form. The other files drive the gateway
// with what users have: the AWS SDK for JavaScript, a NATS client from npm, a browser; and break it on purpose.
package test
