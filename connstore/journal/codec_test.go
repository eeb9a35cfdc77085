package journal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

func sample() *gateway.Connection {
	return &gateway.Connection{
		ID:          "AbC_0123456789x=",
		API:         "chat",
		Stage:       "prod",
		ConnectedAt: time.UnixMilli(1_764_000_000_123).UTC(),
		DomainName:  "chat.example.org",
		SourceIP:    "192.0.2.7",
		UserAgent:   "wscat/6 \xff",
		Authorizer:  json.RawMessage(`{"principalId":"ann"}`),
	}
}

func goldenBatch() []byte {
	b := appendHeader(nil, kindBatch, 300)
	b = appendOpen(b, sample())
	return appendClose(b, "AbC_zzzzzzzzzzz=")
}

func collect(data []byte) (got []entry, k kind, skipped int, err error) {
	k, skipped, err = decode(data, func(e entry) { got = append(got, e) })
	return got, k, skipped, err
}

// TestGolden holds the bytes that stand in the journals of running gateways.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/batch.golden")
	if err != nil {
		t.Fatal(err)
	}
	want, err := readDump(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := goldenBatch(); !bytes.Equal(got, want) {
		t.Fatalf("the encoding changed:\n%s", hex.Dump(got))
	}
	entries, k, skipped, err := collect(want)
	if err != nil || skipped != 0 || k != kindBatch {
		t.Fatalf("kind %q, %d skipped, %v", k, skipped, err)
	}
	if diff := cmp.Diff([]gateway.Connection{*sample(), {ID: "AbC_zzzzzzzzzzz="}},
		[]gateway.Connection{entries[0].conn, entries[1].conn}); diff != "" {
		t.Error(diff)
	}
}

// readDump reads lines of "hex bytes | what they are".
func readDump(text string) ([]byte, error) {
	var out []byte
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, "|")
		b, err := hex.DecodeString(strings.Join(strings.Fields(code), ""))
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

func TestSizes(t *testing.T) {
	for _, c := range []*gateway.Connection{sample(), {}, {UserAgent: strings.Repeat("u", 40_000), ConnectedAt: time.UnixMilli(-5)}} {
		if got, want := openSize(c), len(appendOpen(nil, c)); got != want {
			t.Errorf("openSize %d, appended %d", got, want)
		}
	}
	if got, want := closeSize(sample().ID), len(appendClose(nil, sample().ID)); got != want {
		t.Errorf("closeSize %d, appended %d", got, want)
	}
}

func TestDecodeBad(t *testing.T) {
	good := goldenBatch()
	badID := appendOpen(appendHeader(nil, kindBatch, 1), &gateway.Connection{ID: "short"})
	badJSON := *sample()
	badJSON.Authorizer = json.RawMessage(`{`)
	unknown := append(appendHeader(nil, kindBatch, 1), 'z', 2, 'h', 'i')
	longer := appendHeader(nil, kindBatch, 1)
	longer = append(longer, byte(opClose), 19, 16)
	longer = append(longer, "AbC_zzzzzzzzzzz=++"...)

	for _, tc := range []struct {
		name    string
		data    []byte
		entries int
		skipped int
		err     string
	}{
		{"empty", nil, 0, 1, "not a journal message"},
		{"foreign", []byte(`{"v":1}`), 0, 1, "not a journal message"},
		{"future version", []byte("SJ\x03b\x01"), 0, 1, "version 3"},
		{"compressed, but nothing", []byte("SJ\x02b\x01"), 0, 1, "compressed records"},
		{"compressed to a gigabyte", []byte("SJ\x02b\x01\x80\x80\x80\x80\x04\x00a"), 0, 1, "compressed records"},
		{"no number", []byte("SJ\x01b"), 0, 1, "cut off"},
		{"no records", appendHeader(nil, kindFence, 9), 0, 0, ""},
		{"cut in the first record", good[:30], 0, 1, "cut off"},
		{"cut in the second record", good[:len(good)-1], 1, 1, "cut off"},
		{"bad id, good follows", appendClose(badID, sample().ID), 1, 1, "malformed"},
		{"bad authorizer, good follows", appendClose(appendOpen(appendHeader(nil, kindBatch, 1), &badJSON), sample().ID), 1, 1, "authorizer"},
		{"unknown op, good follows", appendClose(unknown, sample().ID), 1, 0, ""},
		{"longer body, good follows", appendClose(longer, sample().ID), 2, 0, ""},
		{"huge length", append(appendHeader(nil, kindBatch, 1), 'o', 0xff, 0xff, 0xff, 0xff, 0x7f), 0, 1, "cut off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			entries, _, skipped, err := collect(tc.data)
			if len(entries) != tc.entries || skipped != tc.skipped {
				t.Errorf("%d entries, %d skipped; want %d, %d", len(entries), skipped, tc.entries, tc.skipped)
			}
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
		})
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	c, buf := sample(), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		b := appendHeader(buf, kindBatch, 7)
		b = appendOpen(b, c)
		_ = appendClose(b, c.ID)
	}); n > 0 {
		t.Errorf("%v allocations for a record", n)
	}
}

// FuzzDecode: no input panics, and whatever is read from it is read the same from its own encoding.
func FuzzDecode(f *testing.F) {
	f.Add(goldenBatch())
	f.Add(goldenBatch()[:40])
	full, _ := fullBatch(100)
	f.Add(full)
	f.Add(appendHeader(nil, kindFence, 1))
	f.Add([]byte("SJ\x01b\x01o\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"))
	f.Add([]byte("SJ\x01s\x00c\x11\x10AbC_zzzzzzzzzzz="))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, _, skipped, err := collect(data)
		if (skipped > 0) != (err != nil) {
			t.Fatalf("%d skipped, error %v", skipped, err)
		}
		out := appendHeader(nil, kindBatch, 1)
		for i := range entries {
			entries[i].damaged = false // what is left of it is written anew
			if entries[i].op == opOpen {
				out = appendOpen(out, &entries[i].conn)
			} else {
				out = appendClose(out, entries[i].conn.ID)
			}
		}
		again, _, skipped, err := collect(out)
		if err != nil || skipped != 0 {
			t.Fatalf("own encoding: %d skipped, %v", skipped, err)
		}
		if diff := cmp.Diff(entries, again, cmp.AllowUnexported(entry{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkAppendOpen(b *testing.B) {
	c, buf := sample(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendOpen(buf[:0], c)
	}
}

func BenchmarkDecode(b *testing.B) {
	data := appendHeader(nil, kindBatch, 1)
	for range 500 {
		data = appendOpen(data, sample())
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, skipped, _ := decode(data, func(entry) {}); skipped != 0 {
			b.Fatal("skipped")
		}
	}
}
