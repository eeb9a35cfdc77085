package definition

import (
	"encoding/json"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// maxEmbeddedDepth bounds how deep a value may nest that is kept as it is.
const maxEmbeddedDepth = 100

// json keeps a value as JSON, whatever it is.
func (d *decoder) json(s spot, into reflect.Value) {
	value, ok := d.plain(s, s.node, 0)
	if !ok {
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		d.reject(s, "can't be written as JSON", "")
		return
	}
	into.SetBytes(text)
}

// plain returns what a node holds in the types of encoding/json. It reports the first thing that JSON can't hold.
func (d *decoder) plain(s spot, n *yaml.Node, depth int) (any, bool) {
	if n.Kind == yaml.AliasNode {
		d.inAlias++
		defer func() { d.inAlias-- }()
		n = n.Alias
	}
	if d.inAlias > 0 {
		d.aliased++
	}
	if depth > maxEmbeddedDepth || d.aliased > maxAliased {
		d.reject(s, "is nested too deep or too large", "")
		return nil, false
	}
	switch n.Kind {
	case yaml.MappingNode:
		object := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			value, ok := d.plain(s, n.Content[i+1], depth+1)
			if !ok {
				return nil, false
			}
			object[n.Content[i].Value] = value
		}
		return object, true
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			value, ok := d.plain(s, item, depth+1)
			if !ok {
				return nil, false
			}
			list = append(list, value)
		}
		return list, true
	}
	if tag := n.ShortTag(); tag == "!!int" || tag == "!!float" {
		if number := json.Number(n.Value); json.Valid([]byte(number)) {
			return number, true // as it is written, whatever its size
		}
	}
	var value any
	if n.ShortTag() == "!!timestamp" {
		value = n.Value
	} else if err := n.Decode(&value); err != nil {
		d.reject(s, "holds a value that JSON can't", "")
		return nil, false
	}
	return value, true
}
