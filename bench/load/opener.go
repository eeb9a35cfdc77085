package load

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/bench/wire"
)

// opener dials a worker's connections up to a number, a few at once and not above a rate.
type opener struct {
	w       *Worker
	want    int // to dial in all
	dialled int
	failed  int
	atOnce  int
	pace    schedule
	paced   int64 // handshakes since the pace began
	why     error // the first failure
	whyURL  string
}

// raise makes n the number wanted.
func (o *opener) raise(n int, now time.Duration) {
	o.want, o.paced = max(n, o.want), 0
	o.pace = newSchedule(&o.w.job, o.w.job.ConnectRate, now)
}

// settled reports whether each connection wanted stands or has failed.
func (o *opener) settled() bool {
	return o.dialled == o.want && o.w.ready+o.failed+o.w.lostEarly >= o.want
}

// tick dials what may be dialled now and says when there is more.
func (o *opener) tick(now time.Duration) (time.Duration, error) {
	for o.dialled < o.want {
		if o.w.opening >= o.atOnce {
			return now + longestWait, nil // the end of a handshake wakes the loop
		}
		if due := o.pace.due(o.paced); due > now {
			return due, nil
		}
		if o.w.ready == 0 && o.failed >= hopeless {
			return 0, Advice(o.why, o.whyURL)
		}
		index := o.dialled
		o.dialled++
		o.paced++
		if err := o.dial(index); err != nil {
			o.fail(err, index)
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				return 0, Advice(err, o.w.url(index))
			}
		}
	}
	if o.settled() && o.want > 0 && o.failed == o.want && o.why != nil {
		return 0, Advice(o.why, o.whyURL)
	}
	return now + longestWait, nil
}

func (o *opener) dial(index int) error {
	w := o.w
	conn, err := w.loop.Dial(w.target(index), w.source(index), index)
	if err != nil {
		return err
	}
	w.opening++
	if index == len(w.peers) {
		w.peers = append(w.peers, peer{})
	}
	w.peers[index].conn, w.peers[index].stage = conn, stageOpening
	return nil
}

func (o *opener) fail(err error, index int) {
	o.failed++
	if o.why == nil {
		o.why, o.whyURL = err, o.w.url(index)
	}
	if index == len(o.w.peers) {
		o.w.peers = append(o.w.peers, peer{stage: stageGone})
	}
	o.w.tally.Failed++
	count(&o.w.tally.Failures, cause(err))
}

// source gives the address of a connection: all of them in turn, across the workers.
func (w *Worker) source(index int) netip.Addr {
	if len(w.job.Sources) == 0 {
		return netip.Addr{}
	}
	return w.job.Sources[w.number(index)%len(w.job.Sources)]
}

// number is a connection's number among those of all workers.
func (w *Worker) number(index int) int { return index*w.job.Workers + w.job.Worker }

// target gives where a connection goes.
func (w *Worker) target(index int) *wire.Target { return w.targets[w.number(index)%len(w.targets)] }

func (w *Worker) url(index int) string { return redacted(w.job.URLs[w.number(index)%len(w.job.URLs)]) }
