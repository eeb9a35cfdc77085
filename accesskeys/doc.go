// Package accesskeys holds the keys that signed calls are checked with.
//
// It sits between bus, where keys are kept, and authorizers/sigv4, edge and control, which ask it. One path through it: a
// callback arrives signed; authorizers/sigv4 asks Store.Key for the id in its credential; the root key is answered from the
// node's settings, any other from the copy of the bucket that the store's watch keeps, after unsealing it with a key that is
// derived from the root secret; the verifier checks the signature and the caller asks Key.Allows.
package accesskeys
