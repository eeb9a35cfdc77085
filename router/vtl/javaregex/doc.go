// Package javaregex runs Java's regular expressions, within a time limit.
//
// Go's own engine has no look-around, back-references or possessive quantifiers, which Java's has and which templates
// use (contract/mapping-templates.md §8). The backtracking engine below knows .NET's syntax; translate rewrites the
// places where Java's differs: ASCII classes, \Q…\E, possessive quantifiers, nested and intersected classes, line ends.
//
// One path through it: Compile translates a pattern once, and Replace, Split or MatchString runs it on a string, at the
// expense of a value.Meter.
package javaregex
