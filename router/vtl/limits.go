package vtl

import "time"

// The limits of a template and of one render of it. Each is reported as an *Error of KindLimit, except MaxRounds, which
// ends its loop in silence.
const (
	// MaxTemplate is the most bytes of a template's text (§1.6).
	MaxTemplate = 300 << 10
	// MaxRounds is how many times a #foreach goes round; then it ends as if its list had (§1.6).
	MaxRounds = 1000
	// MaxOutput is the most bytes that a template renders, or makes of a string on the way: the payload limit (§1.6).
	MaxOutput = 10 << 20
	// MaxMacroDepth is how deep macros may call each other: Velocity's velocimacro.max.depth.
	MaxMacroDepth = 20
	// MaxDefineDepth is how deep a #define block may use itself: Velocity's define.provide.max.depth. The next use of
	// it prints its own name.
	MaxDefineDepth = 2
	// MaxDepth bounds everything else that recurses: blocks within blocks, #evaluate within #evaluate, parentheses.
	MaxDepth = 200
	// MaxWork is how many units of work a render may take. A unit is a step of the interpreter or a byte that it writes,
	// so this bounds memory too; three nested loops of MaxRounds need a thousand million.
	MaxWork = 64 << 20
	// MaxTime is how long a render may take: a worker is not to be held for longer. A single match of a regular
	// expression has its own limit, javaregex.MaxTime.
	MaxTime = time.Second
)

// Limits are the bounds of one render. A zero means the constant of the same name.
type Limits struct {
	Rounds int
	Output int
	Work   int
	Time   time.Duration
}

func (l Limits) resolved() Limits {
	if l.Rounds == 0 {
		l.Rounds = MaxRounds
	}
	if l.Output == 0 {
		l.Output = MaxOutput
	}
	if l.Work == 0 {
		l.Work = MaxWork
	}
	if l.Time == 0 {
		l.Time = MaxTime
	}
	return l
}

// Options are the switches for what is not established about Amazon's engine (§10). The zero value is the contract's
// choice for each.
type Options struct {
	// MissingIsFalse makes #if($missing) false. By default it is true, because an unresolved reference is the empty
	// string and no string is false (§3.4).
	MissingIsFalse bool
	// NoMacros makes #macro, #define and #evaluate parse errors. By default they work (§3.13).
	NoMacros bool
	// RoundsFail makes a loop of more rounds than allowed an error. By default it ends in silence (§1.6).
	RoundsFail bool
	// InvalidBodyFails makes $input.path and $input.json fail on a body that is not JSON. By default it is like an empty
	// one (§4.5).
	InvalidBodyFails bool
	// PlainSlashes prints / as it is in lists that came out of JSON. By default it is \/, as json-smart has it (§4.4).
	PlainSlashes bool
	// Trim removes blanks and line ends around the template's text before it is parsed. By default they stay (§10).
	Trim bool

	Limits Limits
}
