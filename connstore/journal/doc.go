// Package journal keeps connections on JetStream: one stream with one subject per edge incarnation, and one leased key
// per incarnation (DESIGN §3.5, §3.6). It is the connstore.Store of every gateway that runs on NATS, also with the
// embedded server; connstore/memory is its twin for tests.
//
// The way of a record (Journal.Opened, writer.go): it waits in a bounded queue; the one writing goroutine puts what waits
// into a message (codec.go) and publishes it; the acknowledgement releases the callers. An idle journal writes at once, a
// busy one at most every groupWindow. From time to time the writer repeats the live set as a snapshot and purges what came
// before (snapshot.go).
//
// Every message names the stream sequence of its predecessor on the subject. This chain does three things that matter
// more than several messages in flight would: a message whose acknowledgement was lost is published again without being
// stored twice or out of order; a taker-over cuts the chain by one fence message, so that a former owner that is still
// running records nothing that nobody would ever read; and a purged journal can't be continued by mistake.
//
// The way of a take-over (takeover.go): the lease is won by compare-and-set (lease.go) and refreshed (holder.go), the
// fence is written, the journal is read up to it (fold.go), and after Orphans.Done journal and lease are purged.
package journal
