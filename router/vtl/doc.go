// Package vtl renders mapping templates: the dialect of Velocity that Amazon API Gateway runs, bug for bug as far as it is
// known (contract/mapping-templates.md; the numbers of its sections stand in comments as §3.1).
//
// It is an interpreter in the classic order. A template's text goes through lexer and parser once, at deploy, and
// becomes a tree; rendering walks the tree with a run, which holds the variables, the output and the meter that bounds
// time and memory. Values are those of package value, their Java methods those of package javalang, and $input.path
// speaks package jsonpath. A template reaches nothing but its Input.
//
// One path through it: Parse (parse.go) reads blocks and directives (parse_directive.go), references (parse_reference.go)
// and expressions (parse_expression.go) with the lexer's help (lexer.go) into nodes (tree.go, reference.go, loop.go,
// macro.go, expression.go); Template.Render (render.go) walks them, and $input, $util, $context and $stageVariables
// (input.go, util.go, context.go) answer.
package vtl
