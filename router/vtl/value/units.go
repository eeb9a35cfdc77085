package value

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Units are the UTF-16 units of s: Java counts strings in them.
func Units(s string) []uint16 { return utf16.Encode([]rune(s)) }

// FromUnits makes a string of units; halves of pairs become U+FFFD.
func FromUnits(units []uint16) string { return string(utf16.Decode(units)) }

// ASCII reports whether every byte of s is one unit.
func ASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Length is the number of UTF-16 units of s.
func Length(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// Slice is the part of s from unit from to unit to, which must lie within its length.
func Slice(s string, from, to int) string {
	if ASCII(s) {
		return s[from:to]
	}
	return FromUnits(Units(s)[from:to])
}

// UnitIndex is the number of units before byte offset at.
func UnitIndex(s string, at int) int { return Length(s[:at]) }
