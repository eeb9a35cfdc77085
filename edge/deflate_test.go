package edge

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"

	"github.com/sallyport/sallyport/gateway"
)

// deflated is how another implementation compresses s: without its tail, or as one finished stream.
func deflated(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte(deflateTail))
}

const declined = ""

func TestDeflateOffers(t *testing.T) {
	const plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, test := range []struct{ offer, want string }{
		{"", declined},
		{"permessage-deflate", plain},
		{"Permessage-Deflate", plain},
		{"permessage-deflate; client_max_window_bits", plain},
		{"permessage-deflate; client_max_window_bits=10", plain},
		{"permessage-deflate; client_max_window_bits=7", declined},
		{"permessage-deflate; server_no_context_takeover; client_no_context_takeover", plain},
		{"permessage-deflate;server_no_context_takeover=1", declined},
		{"permessage-deflate; client_no_context_takeover=true", declined},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", declined},
		{"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", plain + "; server_max_window_bits=12"},
		{`permessage-deflate; server_max_window_bits="8"`, plain + "; server_max_window_bits=8"},
		{"permessage-deflate ; server_max_window_bits = 15", plain + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits", declined},
		{"permessage-deflate; server_max_window_bits=", declined},
		{"permessage-deflate; server_max_window_bits=7", declined},
		{"permessage-deflate; server_max_window_bits=16", declined},
		{"permessage-deflate; server_max_window_bits=08", declined},
		{"permessage-deflate; server_max_window_bits=264", declined},
		{"permessage-deflate; mux=4", declined},
		{"x-webkit-deflate-frame", declined},
		{"permessage-deflate; mux=4, permessage-deflate; server_max_window_bits=9", plain + "; server_max_window_bits=9"},
		{`x-other; a="b, permessage-deflate", permessage-deflate`, declined}, // a quoted value has to be a token
		{`x-other; a="b\c", permessage-deflate`, plain},
		{",, permessage-deflate", plain},
		{"permessage-deflate; ", declined},
		{"permessage-deflate server_no_context_takeover", declined},
		{`permessage-deflate; a="`, declined},
		{`permessage-deflate; a="\`, declined},
		{strings.Repeat("x, ", maxOffers) + "permessage-deflate", declined},
	} {
		got := declined
		if answer := pickOffer(test.offer); answer.window != 0 {
			got = answer.value()
		}
		if got != test.want {
			t.Errorf("offer %q: answer %q, want %q", test.offer, got, test.want)
		}
	}
}

func TestDeflateOffersOverSeveralLines(t *testing.T) {
	head := gateway.Header{"sec-websocket-extensions": {"permessage-deflate; mux", "permessage-deflate; server_max_window_bits=11"}}
	if got := negotiateDeflate(head); got != (deflateAnswer{window: 11, limited: true}) {
		t.Errorf("%+v", got)
	}
}

func FuzzDeflateOffer(f *testing.F) {
	for _, s := range []string{"permessage-deflate", `permessage-deflate; a="b\"c"; server_max_window_bits=9, x;y=z`, ";,=\"\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		answer := pickOffer(s)
		if answer.window == 0 {
			return
		}
		// What we answer is an offer that asks for the same.
		if again := pickOffer(answer.value()); again != answer {
			t.Errorf("%q: %+v, its answer %q: %+v", s, answer, answer.value(), again)
		}
	})
}

// Every window's output inflates to what it was, within exactly its length.
func TestDeflateRoundTrip(t *testing.T) {
	var out deflaterPool
	var in inflaterPool
	text := strings.Repeat(`{"action":"say","text":"hello"} `, 2000)
	for window := minWindowBits; window <= maxWindowBits; window++ {
		for _, n := range []int{minDeflateBytes, 4000, len(text)} {
			b := out.appendMessage(nil, window, ws.OpText, []byte(text[:n]), 0)
			h, err := ws.ReadHeader(bytes.NewReader(b))
			if err != nil || h.Rsv != rsvDeflated || !h.Fin || int(h.Length) >= n {
				t.Fatalf("window %d, %d bytes: %+v %v", window, n, h, err)
			}
			got, fault := in.inflate(b[len(b)-int(h.Length):], n)
			if fault.Code != 0 || string(got) != text[:n] {
				t.Errorf("window %d, %d bytes: %d bytes came back, close %v", window, n, len(got), fault)
			}
			if _, fault := in.inflate(b[len(b)-int(h.Length):], n-1); fault.Code != 1009 {
				t.Errorf("window %d, %d bytes: a byte over the limit closes with %v", window, n, fault)
			}
		}
	}
}

// A deflater refers no further back than its window: a second copy of random bytes shrinks only when the window reaches
// the first.
func TestDeflateWindowIsHonest(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	var pool deflaterPool
	for window := minWindowBits; window <= maxWindowBits; window++ {
		for _, reach := range []struct {
			distance int
			shrinks  bool
		}{{1<<window + 32, false}, {1<<window/2 + 300, window > 9}} {
			once := make([]byte, reach.distance)
			_, _ = random.Read(once)
			d, err := pool.get(window)
			if err != nil {
				t.Fatal(err)
			}
			small, err := d.deflate(append(bytes.Clone(once), once...))
			if err != nil {
				t.Fatal(err)
			}
			if got := len(small) < 2*len(once)*3/4; got != reach.shrinks {
				t.Errorf("window %d: a copy %d bytes behind: %d bytes of %d", window, reach.distance, len(small), 2*len(once))
			}
			pool.put(d, window)
		}
	}
}

// What does not shrink goes out as it is.
func TestDeflateLeavesNoiseAlone(t *testing.T) {
	noise := make([]byte, 4096)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(noise)
	var pool deflaterPool
	if got := pool.appendMessage(nil, maxWindowBits, ws.OpBinary, noise, 0); !bytes.Equal(got, appendMessage(nil, ws.OpBinary, noise, 0)) {
		t.Error("noise was compressed")
	}
}

// RSV1 is on the first frame alone.
func TestDeflatedMessageInSeveralFrames(t *testing.T) {
	text := make([]byte, 60_000)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(text); i++ {
		text[i] = "abcdefgh"[r.IntN(8)]
	}
	var pool deflaterPool
	b := bytes.NewReader(pool.appendMessage(nil, maxWindowBits, ws.OpText, text, 4096))
	var joined []byte
	for i := 0; b.Len() > 0; i++ {
		h, err := ws.ReadHeader(b)
		if err != nil || h.Length > 4096 || (h.Rsv == rsvDeflated) != (i == 0) || (h.OpCode == ws.OpText) != (i == 0) || h.Fin != (b.Len() == int(h.Length)) {
			t.Fatalf("frame %d: %+v %v", i, h, err)
		}
		part := make([]byte, h.Length)
		_, _ = io.ReadFull(b, part)
		joined = append(joined, part...)
	}
	var in inflaterPool
	if got, fault := in.inflate(joined, len(text)); fault.Code != 0 || !bytes.Equal(got, text) {
		t.Errorf("%d bytes came back, close %v", len(got), fault)
	}
}

// The examples of RFC 7692 §7.2.3, and what is no message.
func TestInflate(t *testing.T) {
	endless := strings.Repeat("\x03\x00", 2*maxDeflateStreams)
	for _, test := range []struct {
		name, in string
		limit    int
		want     string
		code     int
	}{
		{name: "one block", in: "\xf2\x48\xcd\xc9\xc9\x07\x00", want: "Hello"},
		{name: "stored block", in: "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", want: "Hello"},
		{name: "last block", in: "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", want: "Hello"},
		{name: "two blocks", in: "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", want: "Hello"},
		{name: "reference into an earlier stream", in: "\xf3\x48\xcd\xc9\xc9\x07\x00" + "\xf2\x00\x11\x00\x00", want: "HelloHello"},
		{name: "empty", in: "\x00", want: ""},
		{name: "nothing at all", in: "", code: 1007},
		{name: "unknown block type", in: "\x07", code: 1007},
		{name: "cut off", in: "\xf2\x48\xcd", code: 1007},
		{name: "a reference before the start", in: "\x02\x11\x00\x00", code: 1007},
		{name: "streams without end", in: endless, code: 1007},
		{name: "at the limit", in: "\xf2\x48\xcd\xc9\xc9\x07\x00", limit: 5, want: "Hello"},
		{name: "over the limit", in: "\xf2\x48\xcd\xc9\xc9\x07\x00", limit: 4, code: 1009},
		{name: "a bomb", in: string(deflated(t, strings.Repeat("\x00", 8<<20))), limit: 1 << 17, code: 1009},
	} {
		t.Run(test.name, func(t *testing.T) {
			var pool inflaterPool
			limit := test.limit
			if limit == 0 {
				limit = 1 << 10
			}
			got, fault := pool.inflate([]byte(test.in), limit)
			if string(got) != test.want || fault.Code != test.code {
				t.Errorf("%q close %v, want %q %d", got, fault, test.want, test.code)
			}
			if cap(got) > 2*limit {
				t.Errorf("%d bytes are kept for a message of %d", cap(got), limit)
			}
		})
	}
}

func FuzzInflate(f *testing.F) {
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"))
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
	f.Add(deflated(f, strings.Repeat("abc", 5000)))
	const limit = 8 << 10
	f.Fuzz(func(t *testing.T, b []byte) {
		var in inflaterPool
		got, fault := in.inflate(b, limit)
		if len(got) > limit || fault.Code != 0 && got != nil {
			t.Fatalf("%d bytes, close %v", len(got), fault)
		}
		if again, second := in.inflate(b, limit); second != fault || !bytes.Equal(again, got) {
			t.Errorf("a used inflater reads %q %v, a new one %q %v", again, second, got, fault)
		}
	})
}

// Pooled compressors cost no memory per message.
func TestDeflateAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops pooled memory at random")
	}
	text := []byte(strings.Repeat("hello, world ", 200))
	var pool deflaterPool
	buf := make([]byte, 0, 8<<10)
	if n := testing.AllocsPerRun(200, func() { pool.appendMessage(buf, maxWindowBits, ws.OpText, text, 0) }); n > 0 {
		t.Errorf("%v allocations to compress", n)
	}
	var in inflaterPool
	small := deflated(t, string(text))
	if n := testing.AllocsPerRun(200, func() { in.inflate(small, 1<<16) }); n > 1 { // the message
		t.Errorf("%v allocations to inflate", n)
	}
}

func BenchmarkDeflate(b *testing.B) {
	text := []byte(strings.Repeat(`{"id":1234,"text":"hello, world"},`, 60))
	var pool deflaterPool
	b.Run("compress", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 8<<10)
		for b.Loop() {
			pool.appendMessage(buf, maxWindowBits, ws.OpText, text, 0)
		}
	})
	var in inflaterPool
	small := deflated(b, string(text))
	b.Run("inflate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			in.inflate(small, 1<<16)
		}
	})
}

// Frames with compressed messages read the same in whatever pieces they come, and never beyond the limit.
func FuzzDeflatedFrames(f *testing.F) {
	hello := []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")
	packed := func(fin bool, op ws.OpCode, b []byte) []byte {
		return frame(ws.Header{Fin: fin, OpCode: op, Rsv: rsvDeflated}, b)
	}
	f.Add(join(packed(true, ws.OpText, hello), ping("p"), textFrame("plain")), 3)
	f.Add(join(packed(false, ws.OpBinary, hello[:2]), ping("p"), last(string(hello[2:]))), 1)
	f.Add(packed(true, ws.OpText, deflated(f, strings.Repeat("x", 701))), 5)
	lim := frameLimits{frame: 512, message: 700, binary: gateway.BinaryAccept, inflaters: new(inflaterPool)}
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		whole, fault := readFrames(b, max(1, len(b)), lim)
		parts, partFault := readFrames(b, max(1, min(piece, len(b))), lim)
		if fault != partFault || !slices.Equal(whole, parts) {
			t.Errorf("at once %q close %d, in pieces of %d %q close %d", whole, fault, piece, parts, partFault)
		}
		for _, m := range whole {
			if len(m) > 2+lim.message {
				t.Errorf("a message of %d bytes", len(m)-2)
			}
		}
	})
}
