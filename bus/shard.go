package bus

import "go.opentelemetry.io/otel/trace"

// outcome is what a removed waiter leaves behind: whom to tell.
type outcome struct {
	answer answerFunc
	span   trace.Span
}

func (s *shard) add(token uint64, due int64, span trace.Span, answer answerFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	w := s.spare
	if w != nil {
		s.spare, s.spares = w.next, s.spares-1
	} else {
		w = new(waiter)
	}
	slot := due % wheelSlots
	*w = waiter{token: token, due: due, answer: answer, span: span, next: s.wheel[slot]}
	if w.next != nil {
		w.next.prev = w
	}
	s.wheel[slot] = w
	s.pending[token] = w
	return true
}

func (s *shard) take(token uint64) (answerFunc, trace.Span, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.pending[token]
	if w == nil {
		return nil, nil, false
	}
	o := s.removeLocked(w)
	return o.answer, o.span, true
}

// removeLocked takes w off the map and the wheel and keeps it for reuse.
func (s *shard) removeLocked(w *waiter) outcome {
	o := outcome{w.answer, w.span}
	delete(s.pending, w.token)
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		s.wheel[w.due%wheelSlots] = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	if s.spares < spareWaiters {
		*w = waiter{next: s.spare}
		s.spare, s.spares = w, s.spares+1
	}
	return o
}

// due removes what has passed its deadline. from and to are the ticks that went by since the last call, inclusive.
func (s *shard) due(from, to int64) []outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return nil
	}
	if to-from >= wheelSlots {
		from = to - wheelSlots + 1 // the sweeper was held up: one full turn sees every slot
	}
	var list []outcome
	for tick := from; tick <= to; tick++ {
		for w := s.wheel[tick%wheelSlots]; w != nil; {
			next := w.next
			if w.due <= to {
				list = append(list, s.removeLocked(w))
			}
			w = next
		}
	}
	return list
}

func (s *shard) close() []outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	list := make([]outcome, 0, len(s.pending))
	for _, w := range s.pending {
		list = append(list, s.removeLocked(w))
	}
	return list
}
