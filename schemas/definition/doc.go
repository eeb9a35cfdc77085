// Package definition reads API definition documents: the YAML or JSON files in which people describe an API
// (DESIGN §4), one API per file.
//
// It turns a document into a gateway.API and says everything that is wrong with its form: unknown keys, wrong types,
// unknown words, missing members, a bad apiId, each with line and column. What the values mean (route keys,
// expressions, names that point nowhere) is router.Check's matter; Document.Locate and Document.Explain bring its
// faults to the places in the file. The JSON Schema of the document, for editors, comes from the same description of
// the Go types as the reader (shapes in shape.go, texts in annotations.go), so the two cannot drift apart.
//
// One path through it: LoadFile reads at most MaxDocumentBytes, parse makes a yaml.Node tree of them, the decoder
// walks the tree beside the shape of gateway.API, fills the Go values and remembers where each stood, and the checks
// add what no single value shows, such as a missing name. The caller gives the API to router.Check and prints the
// problems of both, each as "file:line:col: message (hint)".
package definition
