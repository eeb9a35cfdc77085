package mapping

import (
	"math/big"
	"time"

	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// What the JSON paths of one expression may do with one message (value.Meter). The work grows with the message, so that
// no client gets more of it for a byte than another. The most that a megabyte takes is some 0.3 s of one core and 100 MB
// that are garbage afterwards (BenchmarkEvalQueryWorst).
const (
	// workPerByte is half as much again as a filter needs that takes every item of a list of numbers.
	workPerByte = 16
	// workFloor lets several paths look at a short message.
	workFloor = 1 << 14
	// queryTime ends what work does not measure, which is regular expressions that backtrack. It is as long as a template
	// may take, so that a slow machine does not make routes of other messages.
	queryTime = time.Second
)

// document is a message under evaluation. The engine's form of it is made once, by the first query.
type document struct {
	json  string // valid, or empty
	root  any
	meter *value.Meter // nil before the first query
	spent bool         // nothing more is looked for
}

// append writes what l finds to dst: nothing for null and what is missing.
func (d *document) append(dst []byte, l *lookup) []byte {
	dst, _ = d.find(dst, l)
	return dst
}

// find writes what l finds to dst, and reports whether there is anything but null.
func (d *document) find(dst []byte, l *lookup) ([]byte, bool) {
	if l.query == nil {
		found := l.plain.find(d.json)
		return appendValue(dst, found), found.Type != gjson.Null // also the type of what does not exist
	}
	if d.meter == nil {
		d.open()
	}
	if d.spent {
		return dst, false
	}
	found, ok, err := l.query.Eval(d.root, value.StyleLight, d.meter)
	if err == nil && ok {
		if list, isList := found.(*value.List); found == nil || isList && len(list.Items) == 0 && !l.query.Definite() {
			return dst, false
		}
		// Into a buffer of its own, so that the compiler sees that dst can be on its owner's stack.
		var text []byte
		if text, err = appendFound(nil, found, d.meter); err == nil {
			return append(dst, text...), true
		}
	}
	// A path that does not fit the message, such as an index into a text, says nothing of the next one; work that is used up
	// does.
	d.spent = d.meter.Spend(0) != nil
	return dst, false
}

func (d *document) open() {
	d.meter = value.NewMeter(workFloor+workPerByte*len(d.json), time.Now().Add(queryTime))
	var err error
	if d.root, err = value.Decode(bytesOf(d.json), value.StyleLight, d.meter); err != nil {
		d.spent = true
	}
}

// appendFound is appendValue for the engine's values. Numbers that are no whole ones are written as Java does.
func appendFound(dst []byte, v any, m *value.Meter) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return append(dst, v...), m.Spend(1 + len(v))
	case *big.Int:
		dst = v.Append(dst, 10)
		return dst, m.Spend(v.BitLen())
	case *value.List:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			var err error
			if dst, err = appendFound(dst, item, m); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), m.Spend(1)
	}
	return value.AppendJSON(dst, v, m)
}
