package sigv4

import "testing"

// maxVerifyAllocs guards the price of a callback: what its signature says of itself, and the signature that it should have. A
// buffer that the collector took away counts a little.
const maxVerifyAllocs = 8

func BenchmarkVerify(b *testing.B) {
	v, r := newVerifier(b, nil), push()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func TestVerifyAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops pooled memory at random")
	}
	v, r := newVerifier(t, nil), push()
	got := testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	})
	if got > maxVerifyAllocs {
		t.Errorf("%v allocations, at most %d", got, maxVerifyAllocs)
	}
}
