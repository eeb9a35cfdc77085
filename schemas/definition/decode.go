package definition

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// maxAliased bounds how many values aliases may add to a document: enough for any sharing that a person writes, and
	// nothing against the millions that nested aliases of a few lines stand for.
	maxAliased = 100_000
	// maxProblems bounds a report: beyond it a file is not a definition with faults but something else.
	maxProblems = 1_000
)

// decoder fills Go values from nodes and notes what does not fit.
type decoder struct {
	file     string
	problems []Problem
	dropped  int // problems beyond maxProblems

	path      []string // keys from the root to the value at hand
	inAlias   int      // how many aliases lead to the value at hand
	aliased   int      // values read through aliases so far
	exhausted bool     // maxAliased was reached and reported
}

// spot is where a value stands: its node, its place in the document, and its key for the position of empty values.
type spot struct {
	node  *yaml.Node
	key   *yaml.Node
	place *place
}

// position of the value, or of its key when the value is nothing that a person could see.
func (s spot) position() Position {
	if s.key != nil && s.node.Kind == yaml.ScalarNode && s.node.Value == "" && s.node.Style == 0 {
		return positionOf(s.key)
	}
	return positionOf(s.node)
}

// report notes a problem of the value at hand.
func (d *decoder) report(at Position, message, hint string) {
	if len(d.problems) == maxProblems {
		d.dropped++
		return
	}
	if len(d.path) > 0 {
		message = dotted(d.path) + ": " + message
	}
	d.problems = append(d.problems, Problem{
		File: d.file, Position: at, Path: slices.Clone(d.path), Message: message, Hint: hint,
	})
}

// reject reports that a value is wrong as a whole.
func (d *decoder) reject(s spot, message, hint string) {
	s.place.faulty = true
	d.report(s.position(), message, hint)
}

// value reads one value into a Go value of the shape's type. A value that does not fit leaves into as it was.
func (d *decoder) value(s spot, sh *shape, into reflect.Value) {
	if s.node.Kind == yaml.AliasNode {
		d.inAlias++
		defer func() { d.inAlias-- }()
		s.node = s.node.Alias
	}
	if d.inAlias > 0 {
		if d.aliased++; d.aliased > maxAliased {
			if !d.exhausted {
				d.exhausted = true
				d.reject(s, "aliases make the document too large", "share an integration by its name instead")
			}
			return
		}
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	switch sh.form {
	case formObject:
		d.object(s, sh, into)
	case formMap:
		d.mapping(s, sh, into)
	case formList:
		d.list(s, sh, into)
	case formEither:
		d.either(s, sh, into)
	case formText:
		d.text(s, sh, into)
	case formInteger:
		d.integer(s, sh, into)
	case formNumber:
		d.number(s, sh, into)
	case formBoolean:
		d.boolean(s, sh, into)
	case formJSON:
		d.json(s, into)
	}
}

// members calls visit for each pair of a mapping: once with first for the first of equal keys, without it for others.
func (d *decoder) members(s spot, visit func(key string, member spot, first bool)) {
	pairs := s.node.Content
	seen := make(map[string]*yaml.Node, len(pairs)/2)
	for i := 0; i+1 < len(pairs) && !d.exhausted; i += 2 {
		key, value := pairs[i], pairs[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			d.report(positionOf(pairs[i]), "a key must be text", "")
			continue
		case key.ShortTag() == "!!merge":
			d.report(positionOf(pairs[i]), `merge keys ("<<") are not supported`, "share an integration by its name instead")
			continue
		}
		first, again := seen[key.Value]
		if !again {
			seen[key.Value] = key
		}
		d.path = append(d.path, key.Value)
		if again {
			d.report(positionOf(pairs[i]), "duplicate key", "the first one is in line "+strconv.Itoa(first.Line))
		}
		visit(key.Value, spot{node: value, key: pairs[i]}, !again)
		d.path = d.path[:len(d.path)-1]
	}
}

// object reads a mapping whose keys are ours.
func (d *decoder) object(s spot, sh *shape, into reflect.Value) {
	if s.node.Kind != yaml.MappingNode {
		d.wrongType(s, sh)
		return
	}
	present := make(map[string]bool, len(sh.fields))
	d.members(s, func(key string, member spot, first bool) {
		f, ok := sh.field(key)
		if !ok {
			near := ""
			if len(d.problems) < maxProblems { // comparing with all keys is dear, and for nothing when it isn't shown
				near = gateway.Nearest(key, sh.names())
			}
			if near != "" {
				present[near] = true // reported as misspelt; it is not missing as well
				s.place.child(near, positionOf(member.key)).faulty = true
			}
			d.report(positionOf(member.key), "unknown key", oneOf(near, sh.names()))
			return
		}
		target := into.Field(f.index)
		if !first {
			target = reflect.New(target.Type()).Elem() // only looked at for its problems
		}
		present[key] = true
		member.place = s.place.child(key, positionOf(member.key))
		d.value(member, f.shape, target)
	})
	for _, f := range sh.fields {
		if f.required && !present[f.name] {
			s.place.child(f.name, s.place.at).faulty = true
			d.path = append(d.path, f.name)
			d.report(s.place.at, "is missing", missingHint(f))
			d.path = d.path[:len(d.path)-1]
		}
	}
}

func missingHint(f field) string {
	if len(f.shape.words) > 0 {
		return "one of " + strings.Join(f.shape.words, ", ")
	}
	return "it is required"
}

// mapping reads a mapping whose keys are the author's.
func (d *decoder) mapping(s spot, sh *shape, into reflect.Value) {
	if s.node.Kind != yaml.MappingNode {
		d.wrongType(s, sh)
		return
	}
	into.Set(reflect.MakeMapWithSize(into.Type(), len(s.node.Content)/2))
	d.members(s, func(key string, member spot, first bool) {
		element := reflect.New(into.Type().Elem()).Elem()
		member.place = s.place.child(key, positionOf(member.key))
		d.value(member, sh.elem, element)
		if element.Kind() == reflect.Pointer && element.IsNil() {
			element.Set(reflect.New(element.Type().Elem()))
		}
		if first {
			into.SetMapIndex(reflect.ValueOf(key).Convert(into.Type().Key()), element)
		}
	})
}

// list reads a sequence.
func (d *decoder) list(s spot, sh *shape, into reflect.Value) {
	if s.node.Kind != yaml.SequenceNode {
		d.wrongType(s, sh)
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(s.node.Content), len(s.node.Content)))
	for i, item := range s.node.Content {
		if d.exhausted {
			return
		}
		index := strconv.Itoa(i)
		d.path = append(d.path, index)
		d.value(spot{node: item, place: s.place.child(index, positionOf(item))}, sh.elem, into.Index(i))
		d.path = d.path[:len(d.path)-1]
	}
}

// either reads what may be text or an object.
func (d *decoder) either(s spot, sh *shape, into reflect.Value) {
	switch {
	case s.node.Kind == yaml.MappingNode && sh.objectField >= 0:
		target := into.Field(sh.objectField)
		target.Set(reflect.New(target.Type().Elem()))
		d.object(s, sh.object, target.Elem())
	case s.node.Kind == yaml.MappingNode:
		d.object(s, sh.object, into)
	case isText(s.node):
		d.text(s, sh.text, into.Field(sh.textField))
	default:
		d.wrongType(s, sh)
	}
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" }
