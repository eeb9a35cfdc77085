package deployment

import _ "embed"

// schema is a string, so that nobody can change it.
//
//go:embed deployment.schema.json
var schema string

// Schema returns the JSON Schema (draft 2020-12) of the records, each under $defs.
func Schema() []byte { return []byte(schema) }
