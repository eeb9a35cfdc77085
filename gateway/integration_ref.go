package gateway

import "encoding/json"

// MarshalJSON writes what a document says: a name, or the integration itself.
func (r IntegrationRef) MarshalJSON() ([]byte, error) {
	if r.Inline != nil {
		return json.Marshal(r.Inline)
	}
	return json.Marshal(r.Name)
}
