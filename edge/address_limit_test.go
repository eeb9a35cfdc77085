package edge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAddressLimiter(t *testing.T) {
	l := newAddressLimiter(AddressLimit{Rate: 2, Burst: 3})
	now := time.Unix(1_700_000_000, 0)
	took := func(address string, n int) (allowed int) {
		for range n {
			if l.allow(address, now) {
				allowed++
			}
		}
		return allowed
	}
	if got := took("203.0.113.1", 10); got != 3 {
		t.Errorf("at once %d pass, want the burst of 3", got)
	}
	if got := took("203.0.113.2", 1); got != 1 {
		t.Error("one address uses up the tokens of another")
	}
	now = now.Add(time.Second)
	if got := took("203.0.113.1", 10); got != 2 {
		t.Errorf("a second later %d pass, want the rate of 2", got)
	}
	now = now.Add(time.Hour)
	if got := took("203.0.113.1", 10); got != 3 {
		t.Errorf("after a pause %d pass, want the burst of 3", got)
	}
	if got := took("2001:db8::1", 2) + took("2001:db8::2", 2); got != 3 {
		t.Errorf("%d pass from one /64, want 3", got)
	}
	if got := took("pipe", 5); got != 5 {
		t.Errorf("%d of 5 pass without an address", got)
	}
	if none := newAddressLimiter(AddressLimit{}); !none.allow("203.0.113.1", now) {
		t.Error("no limit refuses")
	}
}

// The table of addresses is bounded, and forgets those whose bucket is full again.
func TestAddressLimiterIsBounded(t *testing.T) {
	l := newAddressLimiter(AddressLimit{Rate: 1, Burst: 1})
	now := time.Unix(1_700_000_000, 0)
	address := func(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16&0xff, i>>8&0xff, i&0xff) }
	for i := range maxAddresses + 10 {
		if !l.allow(address(i), now) {
			t.Fatalf("address %d is refused", i)
		}
	}
	if len(l.full) != maxAddresses || l.allow(address(0), now) {
		t.Errorf("%d addresses are known", len(l.full))
	}
	now = now.Add(2 * time.Second)
	if !l.allow(address(maxAddresses), now) || len(l.full) != 1 {
		t.Errorf("%d addresses are known after a pause", len(l.full))
	}
}

// Who opens too many connections gets 429 and a time to come back, before anything else is done for them.
func TestAddressLimitAtTheDoor(t *testing.T) {
	w := newWorld(t, chatAPI(), func(c *Config) { c.AddressLimit = AddressLimit{Rate: 0.001, Burst: 2} })
	a := w.connect()
	w.connect()
	c, status, body := w.knock(upgradeRequest("/chat/dev"))
	if status != http.StatusTooManyRequests || !strings.Contains(c.head, "Retry-After: 1") || !strings.Contains(body, "Too Many Requests") {
		t.Errorf("got %d %s\n%s", status, body, c.head)
	}
	w.sender.none(t)
	a.say(`{"action":"say"}`) // connections that are there are not touched
	w.sender.next(t, "say")
	if _, status, _ := w.knock("GET /chat/dev/@connections/none HTTP/1.1\r\nHost: test.local\r\n\r\n"); status == http.StatusTooManyRequests {
		t.Error("a request that is no upgrade is counted")
	}
}

func BenchmarkAddressLimiter(b *testing.B) {
	l, now := newAddressLimiter(AddressLimit{Rate: 1e9, Burst: 1000}), time.Unix(1_700_000_000, 0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		l.allow("203.0.113.1", now)
	}
}
