// Package deployment is what the catalog stores and what nodes tell each other about it: a Frozen definition, the Live record
// that says which stage points at which of them, the Node that a process registers, and the Question and Answer of the two
// steps of a deployment. Each is one JSON object with a version; deployment.schema.json describes them all.
//
// Package catalog stores and decides, bus carries, internal/app compiles. One path through it: `apply` makes a Frozen of
// a definition and a Live that points at it, every node gets a Question with that Live, says in its Answer what keeps it
// from serving it, and when none has a fault the Live takes the place of the one before.
package deployment
