// Package jsonpath evaluates JSON paths as Jayway's JsonPath 2.0 does, which is what $input.path and $input.json speak
// (contract/mapping-templates.md §4.6).
//
// $, .name, ['name'], ['a','b'], .., *, [0], [0,1], [start:end], [(@.length-1)] and filters [?(@.p > 1 && @.q)] with
// == != < <= > >= =~ in nin size empty. A path with .., *, several indices, a slice or a filter is indefinite: it gives
// a list. It works on the maps and lists of package value and knows nothing of templates.
//
// One path through it: Compile cuts the text into steps, each of which is given the next one; Eval walks from step to
// step and collects what arrives behind the last.
package jsonpath
