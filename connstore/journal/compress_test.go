package journal

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport/sallyport/gateway"
)

// fullBatch is a message of many connections of one API, compressed, and as it was before.
func fullBatch(opens int) (sealed, plain []byte) {
	plain = appendHeader(nil, kindBatch, 7)
	records := len(plain)
	for range opens {
		c := *sample()
		c.ID = gateway.NewConnectionID("AbC_")
		plain = appendOpen(plain, &c)
	}
	sealed, _ = seal(plain, records, nil)
	return sealed, plain
}

func TestSeal(t *testing.T) {
	sealed, plain := fullBatch(100)
	if len(sealed) > len(plain)/2 {
		t.Errorf("%d bytes became %d", len(plain), len(sealed))
	}
	want, kind, _, _ := collect(plain)
	got, sameKind, skipped, err := collect(sealed)
	if err != nil || skipped > 0 || kind != sameKind {
		t.Fatalf("kind %q, want %q; %d skipped, %v", sameKind, kind, skipped, err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); diff != "" {
		t.Error(diff)
	}
	if small, same := fullBatch(1); !bytes.Equal(small, same) {
		t.Error("a single record was compressed")
	}
}

// The scratch is used again, and a message that does not become shorter stays as it is.
func TestSealReusesItsScratch(t *testing.T) {
	_, plain := fullBatch(100)
	_, scratch := seal(plain, 5, nil)
	if n := testing.AllocsPerRun(50, func() { _, scratch = seal(plain, 5, scratch) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	noise := appendHeader(nil, kindBatch, 7)
	records := len(noise)
	for range 100 {
		noise = append(noise, gateway.NewRequestID()...)
	}
	if got, _ := seal(noise[:records+compressFrom], records, nil); len(got) > records+compressFrom {
		t.Errorf("%d bytes became %d", records+compressFrom, len(got))
	}
}

func BenchmarkSeal(b *testing.B) {
	_, plain := fullBatch(64)
	var scratch []byte
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		_, scratch = seal(plain, 5, scratch)
	}
}
