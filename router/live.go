package router

import "sync/atomic"

// Live is the table in force. Readers take it once per message or request and finish on what they took. The zero value
// holds an empty table.
type Live struct{ table atomic.Pointer[Table] }

// Load returns the table in force, never nil.
func (l *Live) Load() *Table {
	if t := l.table.Load(); t != nil {
		return t
	}
	return &Table{}
}

// Swap puts t in force.
func (l *Live) Swap(t *Table) { l.table.Store(t) }
