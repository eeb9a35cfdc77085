// Package jsonpath evaluates JSON paths as Jayway's JsonPath 2.0 does, which is what $input.path and $input.json speak
// (contract/mapping-templates.md §4.6), and what may follow request.body in selection expressions
// (contract/websocket-api.md §3).
//
// $, .name, ['name'], ['a','b'], .., *, [0], [0,1], [start:end], [(@.length-1)] and filters [?(@.p > 1 && @.q)] with
// == != < <= > >= =~ in nin size empty. A path with .., *, several indices, a slice or a filter is indefinite: it gives
// a list. It works on the maps and lists of package value and knows nothing of templates.
//
// A path's text is limited in length, steps and nesting, and each step of an evaluation is paid for from a value.Meter:
// so is what a filter looks at again for each item, and what a list of results takes in memory.
//
// One path through it: Compile cuts the text into steps, each of which is given the next one; Eval walks from step to
// step and collects what arrives behind the last.
package jsonpath
