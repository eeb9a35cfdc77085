// Package keysets brings the public keys of token issuers to whoever checks tokens (DESIGN §3.8).
//
// Its neighbours: authorizers/jwt asks a Cache for a key; package bus carries the question of an edge to a worker and keeps
// what workers fetched in a bucket; internal/app puts them together.
//
// One path through it: a token names a key that the edge's Cache does not have. The cache asks a worker over NATS, at most
// every few seconds for one issuer. The worker's Cache does not have it either, so its Fetcher looks into the bucket, where
// another worker may have put newer keys, and else reads the issuer's discovery document and then its keys over HTTP. What
// came is kept in the bucket, in both caches, and serves while the issuer is down, two hours at most.
package keysets
