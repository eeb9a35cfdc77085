// Package memo remembers what was compiled from a text: JSON paths and regular expressions that a template computes, so
// that they can't be compiled with it.
package memo

import "sync"

// maxKept bounds a Memo. A template has few such texts, but may make them in a loop; then memory is worth more than
// another compilation.
const maxKept = 64

// Memo keeps the results of one compile function. It is safe for concurrent use; each owner has its own.
type Memo[T any] struct {
	compile func(string) (T, error)

	mu    sync.RWMutex
	known map[string]T
}

// New returns an empty Memo of compile. Failures are not kept.
func New[T any](compile func(string) (T, error)) *Memo[T] {
	return &Memo[T]{compile: compile}
}

// Get compiles text unless it is known.
func (m *Memo[T]) Get(text string) (T, error) {
	m.mu.RLock()
	v, ok := m.known[text]
	m.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := m.compile(text)
	if err != nil {
		return v, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxKept {
		m.known = make(map[string]T)
	}
	m.known[text] = v
	return v, nil
}
