// Package javalang has the members of Java's classes that templates call on strings, numbers, lists and maps
// (contract/mapping-templates.md §8).
//
// A method that does not exist, or not for these arguments, is not found, which is not an error: the reference prints
// nothing. A method that Java would throw from is an error (ErrThrown) and ends the template. Reflection does not exist
// at all, so that nothing leads out of the values of a template.
//
// One path through it: a reference's .name(args) becomes Runtime.Call, which knows the receiver's class and hands over
// to that class's file.
package javalang
