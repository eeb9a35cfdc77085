package event

import _ "embed"

// contextSchema is a string, so that nobody can change it.
//
//go:embed context.schema.json
var contextSchema string

// Schema returns the JSON Schema (draft 2020-12) of the Sallyport-Context header's object.
func Schema() []byte { return []byte(contextSchema) }
