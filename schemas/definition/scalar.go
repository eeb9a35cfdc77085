package definition

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/gateway"
)

// text reads a string, and checks it against the words of its type.
func (d *decoder) text(s spot, sh *shape, into reflect.Value) {
	if !isText(s.node) {
		d.wrongType(s, sh)
		return
	}
	word := s.node.Value
	if len(sh.words) > 0 && !slices.Contains(sh.words, word) {
		d.reject(s, "unknown value "+quote(word), oneOf(gateway.Nearest(word, sh.words), sh.words))
		return
	}
	into.SetString(canonical(sh.typ, word))
}

// integer reads a whole number as YAML writes it: decimal, 0x, 0o, with or without underscores.
func (d *decoder) integer(s spot, sh *shape, into reflect.Value) {
	if s.node.Kind != yaml.ScalarNode || s.node.ShortTag() != "!!int" {
		d.wrongType(s, sh)
		return
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s.node.Value, "_", ""), 0, strconv.IntSize)
	if err != nil {
		d.reject(s, "the number "+shorten(s.node.Value)+" is out of range", "")
		return
	}
	into.SetInt(n)
}

// number reads a whole or decimal number.
func (d *decoder) number(s spot, sh *shape, into reflect.Value) {
	if s.node.Kind != yaml.ScalarNode || s.node.ShortTag() != "!!int" && s.node.ShortTag() != "!!float" {
		d.wrongType(s, sh)
		return
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(s.node.Value, "_", ""), 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		d.reject(s, "the number "+shorten(s.node.Value)+" is out of range", "")
		return
	}
	into.SetFloat(n)
}

// boolean reads true or false. YAML 1.1's yes and on are text, as they are to every JSON Schema validator.
func (d *decoder) boolean(s spot, sh *shape, into reflect.Value) {
	if s.node.Kind != yaml.ScalarNode || s.node.ShortTag() != "!!bool" {
		d.wrongType(s, sh)
		return
	}
	into.SetBool(strings.EqualFold(s.node.Value, "true"))
}

// oneOf is the hint for a word that is not one of ours: the nearest one if there is any, and otherwise all.
func oneOf(near string, known []string) string {
	if near != "" {
		return "did you mean " + strconv.Quote(near) + "?"
	}
	return "one of " + strings.Join(known, ", ")
}

// wrongType reports that a value is of another kind than its shape asks for.
func (d *decoder) wrongType(s spot, sh *shape) {
	d.reject(s, "is "+kindOf(s.node)+" where "+sh.wants()+" is expected", typeHint(s.node, sh))
}

// wants names what a shape takes.
func (s *shape) wants() string {
	switch s.form {
	case formText:
		return "a string"
	case formInteger:
		return "an integer"
	case formNumber:
		return "a number"
	case formBoolean:
		return "true or false"
	case formList:
		return "a list"
	case formEither:
		return "a name or an object"
	default:
		return "an object"
	}
}

// kindOf names what a node is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	switch tag := n.ShortTag(); tag {
	case "!!str":
		return "the string " + quote(n.Value)
	case "!!int":
		return "the integer " + shorten(n.Value)
	case "!!float":
		return "the number " + shorten(n.Value)
	case "!!bool":
		return "the boolean " + shorten(n.Value)
	case "!!timestamp":
		return "the date " + shorten(n.Value)
	case "!!null":
		return "empty"
	default:
		return "a value with the tag " + quote(tag)
	}
}

// typeHint says how to write what was probably meant.
func typeHint(n *yaml.Node, sh *shape) string {
	tag := ""
	if n.Kind == yaml.ScalarNode {
		tag = n.ShortTag()
	}
	if tag == "!!null" {
		return "give it a value or remove the key"
	}
	switch sh.form {
	case formText:
		switch tag {
		case "!!int", "!!float", "!!bool", "!!timestamp":
			return "write it in quotes: " + quote(n.Value)
		}
	case formInteger:
		if _, err := strconv.Atoi(n.Value); err == nil && tag == "!!str" {
			return "write it without quotes: " + n.Value
		}
	case formBoolean:
		switch strings.ToLower(n.Value) {
		case "yes", "on", "true":
			return "write true"
		case "no", "off", "false":
			return "write false"
		}
	case formList:
		if tag == "!!str" {
			return "write it as a list: [" + quote(n.Value) + "]"
		}
	case formObject:
		if sh.typ == reflect.TypeFor[gateway.Route]() && tag == "!!str" {
			return "write {integration: " + shorten(n.Value) + "}"
		}
	}
	return ""
}
