// Package value holds the values that a mapping template computes with: Java's, as far as a template can tell.
//
// A value is a Go any of one of these types: nil (null), string, bool, int32 (Integer), int64 (Long), *big.Int
// (BigInteger), float64 (Double), *Decimal (BigDecimal), Char (Character), *List, *Map, *Set, *Array and *Entry; the
// engine adds a few objects of its own (Object). The package knows how they print, compare, compute and travel as
// JSON, always at the expense of a Meter, because lists may contain each other and a small program can name a value of
// astronomic size.
//
// One path through it: Decode turns a request body into maps and lists in the order of the text, jsonpath walks them,
// javalang calls their methods, and Append prints what is left.
package value
