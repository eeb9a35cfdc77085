package event

import "strconv"

// WithAttempt returns a copy of a context that says how often its message has been tried. A message that is served at least
// once is stored with its context, so that this alone changes from one attempt to the next.
func WithAttempt(context []byte, attempt int) []byte {
	end := len(context)
	for end > 0 && context[end-1] != '}' {
		end--
	}
	if end == 0 {
		return context // no object
	}
	out := make([]byte, 0, len(context)+len(`,"deliveryAttempt":100`))
	out = append(out, context[:end-1]...)
	out = append(out, `,"deliveryAttempt":`...)
	out = strconv.AppendInt(out, int64(attempt), 10)
	return append(out, '}')
}
