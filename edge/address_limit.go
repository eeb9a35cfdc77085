package edge

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

// AddressLimit bounds how fast one client address may open connections: Rate a second, Burst at once after a pause. The
// zero value is no limit.
type AddressLimit struct {
	Rate  float64
	Burst int
}

// addressLimiter is a token bucket for each client address, kept as the time at which it would be full (the generic cell
// rate algorithm of ITU-T I.371): one map entry. Full ones are dropped when there are too many. It is safe for concurrent use.
type addressLimiter struct {
	interval time.Duration // between two tokens
	burst    time.Duration // how far ahead of now a bucket may be

	mu     sync.Mutex // guards what follows
	full   map[netip.Prefix]time.Time
	looked time.Time // when the map was last looked through for full buckets
}

// newAddressLimiter returns nil for no limit.
func newAddressLimiter(l AddressLimit) *addressLimiter {
	if l.Rate <= 0 {
		return nil
	}
	interval := time.Duration(float64(time.Second) / l.Rate)
	return &addressLimiter{interval: interval, burst: time.Duration(max(l.Burst, 1)) * interval, full: make(map[netip.Prefix]time.Time)}
}

// allow takes a token of the address, and reports whether there was one. With maxAddresses buckets that are not full all
// new addresses pass: an attack from so many is not one that a limit for each would stop.
func (l *addressLimiter) allow(address string, now time.Time) bool {
	if l == nil {
		return true
	}
	key, ok := addressKey(address)
	if !ok {
		return true // of a connection that has none, such as in tests
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	full, known := l.full[key]
	if !known && len(l.full) >= maxAddresses {
		if now.Sub(l.looked) >= sweepInterval { // each look holds up all others for some milliseconds
			l.looked = now
			maps.DeleteFunc(l.full, func(_ netip.Prefix, full time.Time) bool { return !full.After(now) })
		}
		if len(l.full) >= maxAddresses {
			return true
		}
	}
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.interval)
	if full.Sub(now) > l.burst {
		return false
	}
	l.full[key] = full
	return true
}

// addressKey is what counts as one client: an IPv4 address, or the /64 of an IPv6 one, which is what a household gets.
func addressKey(address string) (netip.Prefix, bool) {
	const network = 64
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, false
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = network
	}
	p, err := a.Prefix(bits)
	return p, err == nil
}
