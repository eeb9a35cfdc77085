package edge

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

// accepting are limits that only the largest cases reach.
func accepting() frameLimits {
	return frameLimits{frame: 1 << 20, message: 1 << 20, binary: gateway.BinaryAccept}
}

// readFrames feeds b to a reader in pieces of the given size and returns what came out, up to a broken rule.
func readFrames(b []byte, piece int, lim frameLimits) ([]string, int) {
	var r frameReader
	var pool assemblyPool
	var out []string
	b = bytes.Clone(b) // the reader unmasks in place
	for len(b) > 0 {
		part := b[:min(piece, len(b))]
		b = b[len(part):]
		for len(part) > 0 {
			n, in, fault := r.next(part, lim, &pool)
			if fault.Code != 0 {
				return out, fault.Code
			}
			if in.op != 0 {
				out = append(out, fmt.Sprintf("%x:%s", byte(in.op), in.payload))
			}
			part = part[n:]
		}
	}
	return out, 0
}

type frameCase struct {
	name  string
	bytes []byte
	limit func(*frameLimits)
	want  []string
	fault int
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func first(op ws.OpCode, s string) []byte { return frame(ws.Header{OpCode: op}, []byte(s)) }
func more(s string) []byte                { return frame(ws.Header{OpCode: ws.OpContinuation}, []byte(s)) }
func last(s string) []byte                { return frame(ws.Header{Fin: true, OpCode: ws.OpContinuation}, []byte(s)) }
func ping(s string) []byte                { return frame(ws.Header{Fin: true, OpCode: ws.OpPing}, []byte(s)) }
func long(n int) string                   { return strings.Repeat("*", n) }

// frameCases follow the sections of the Autobahn test suite.
func frameCases() []frameCase {
	binary := frame(ws.Header{Fin: true, OpCode: ws.OpBinary}, []byte{0, 1, 0xff})
	unmasked := func(b ...byte) []byte { return b }
	cases := []frameCase{
		{name: "ping", bytes: ping(""), want: []string{"9:"}},
		{name: "ping with 125 bytes", bytes: ping(long(125)), want: []string{"9:" + long(125)}},
		{name: "ping with 126 bytes", bytes: ping(long(126)), fault: 1002},
		{name: "pong nobody asked for", bytes: frame(ws.Header{Fin: true, OpCode: ws.OpPong}, []byte("x")), want: []string{"a:x"}},
		{name: "reserved bit 1", bytes: frame(ws.Header{Fin: true, OpCode: ws.OpText, Rsv: 4}, []byte("x")), fault: 1002},
		{name: "reserved bit 3 on ping", bytes: frame(ws.Header{Fin: true, OpCode: ws.OpPing, Rsv: 1}, nil), fault: 1002},
		{name: "text before a reserved bit", bytes: join(textFrame("a"), frame(ws.Header{Fin: true, OpCode: ws.OpText, Rsv: 2}, nil)), want: []string{"1:a"}, fault: 1002},
		{name: "not masked", bytes: unmasked(0x81, 1, 'x'), fault: 1002},
		{name: "fragments", bytes: join(first(ws.OpText, "fra"), more("gmen"), last("ts")), want: []string{"1:fragments"}},
		{name: "empty fragments", bytes: join(first(ws.OpText, ""), more(""), last("")), want: []string{"1:"}},
		{name: "empty text", bytes: textFrame(""), want: []string{"1:"}},
		{name: "ping inside fragments", bytes: join(first(ws.OpText, "a"), ping("p"), last("b")), want: []string{"9:p", "1:ab"}},
		{name: "close inside fragments", bytes: join(first(ws.OpText, "a"), closeFrame(1000, "")), want: []string{"8:\x03\xe8"}},
		{name: "fragmented ping", bytes: join(frame(ws.Header{OpCode: ws.OpPing}, nil), last("")), fault: 1002},
		{name: "continuation of nothing", bytes: last("x"), fault: 1002},
		{name: "unfinished continuation of nothing", bytes: more("x"), fault: 1002},
		{name: "text inside fragments", bytes: join(first(ws.OpText, "a"), textFrame("b")), fault: 1002},
		{name: "continuation after the end", bytes: join(first(ws.OpText, "a"), last("b"), last("c")), want: []string{"1:ab"}, fault: 1002},
		{name: "binary", bytes: binary, want: []string{"2:\x00\x01\xff"}},
		{name: "binary refused", bytes: binary, limit: func(l *frameLimits) { l.binary = gateway.BinaryRefuse }, fault: 1003},
		{name: "binary fragments refused at once", bytes: first(ws.OpBinary, "a"), limit: func(l *frameLimits) { l.binary = gateway.BinaryRefuse }, fault: 1003},
		{name: "text while binary is refused", bytes: join(first(ws.OpText, "a"), last("b")), limit: func(l *frameLimits) { l.binary = gateway.BinaryRefuse }, want: []string{"1:ab"}},
		{name: "UTF-8", bytes: textFrame("κόσμε 🎉"), want: []string{"1:κόσμε 🎉"}},
		{name: "UTF-8 split inside a character", bytes: join(first(ws.OpText, "\xce"), more("\xba\xf0\x9f"), last("\x8e\x89")), want: []string{"1:κ🎉"}},
		{name: "not UTF-8", bytes: textFrame("a\xff"), fault: 1007},
		{name: "a surrogate", bytes: textFrame("\xed\xa0\x80"), fault: 1007},
		{name: "UTF-8 cut off", bytes: join(first(ws.OpText, "\xce"), last("")), fault: 1007},
		{name: "binary need not be UTF-8", bytes: frame(ws.Header{Fin: true, OpCode: ws.OpBinary}, []byte("\xff")), want: []string{"2:\xff"}},
		{name: "frame at the limit", bytes: textFrame(long(100)), limit: func(l *frameLimits) { l.frame = 100 }, want: []string{"1:" + long(100)}},
		{name: "frame over the limit", bytes: textFrame(long(101)), limit: func(l *frameLimits) { l.frame = 100 }, fault: 1009},
		{name: "message at the limit", bytes: join(first(ws.OpText, long(50)), last(long(50))), limit: func(l *frameLimits) { l.message = 100 }, want: []string{"1:" + long(100)}},
		{name: "message over the limit", bytes: join(first(ws.OpText, long(50)), last(long(51))), limit: func(l *frameLimits) { l.message = 100 }, fault: 1009},
		{name: "a length that nothing follows", bytes: []byte{0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4}, fault: 1009},
		{name: "a negative length", bytes: []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, fault: 1002},
	}
	for _, op := range []ws.OpCode{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		cases = append(cases, frameCase{name: fmt.Sprintf("reserved opcode %x", byte(op)), bytes: frame(ws.Header{Fin: true, OpCode: op}, nil), fault: 1002})
	}
	for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 1 << 20} {
		cases = append(cases, frameCase{name: fmt.Sprintf("%d bytes", n), bytes: textFrame(long(n)), want: []string{"1:" + long(n)}})
	}
	return cases
}

func TestFrames(t *testing.T) {
	for _, test := range frameCases() {
		t.Run(test.name, func(t *testing.T) {
			lim := accepting()
			if test.limit != nil {
				test.limit(&lim)
			}
			// Followed by one more frame, to see that the reader is where it should be.
			b, want := test.bytes, test.want
			if test.fault == 0 && !strings.Contains(test.name, "close") {
				b, want = join(b, ping("next")), append(append([]string(nil), want...), "9:next")
			}
			for _, piece := range []int{1, 2, 3, 7, 14, 100, 4096, len(b)} {
				if len(b)/piece > 100_000 {
					continue
				}
				got, fault := readFrames(b, piece, lim)
				if fault != test.fault || !cmp.Equal(got, want) {
					t.Fatalf("in pieces of %d: %.200q close %d, want %.200q close %d", piece, got, fault, want, test.fault)
				}
			}
		})
	}
}

// Between messages a reader holds no memory, whatever the pieces.
func TestFrameReaderIsEmptyBetweenMessages(t *testing.T) {
	b := join(textFrame("whole"), first(ws.OpText, "a"), ping("p"), last("b"), ping("q"))
	for piece := 1; piece <= len(b); piece++ {
		var r frameReader
		var pool assemblyPool
		for rest := bytes.Clone(b); len(rest) > 0; {
			part := rest[:min(piece, len(rest))]
			rest = rest[len(part):]
			for len(part) > 0 {
				n, _, fault := r.next(part, accepting(), &pool)
				if fault.Code != 0 {
					t.Fatal(fault)
				}
				part = part[n:]
			}
		}
		if r.part != nil {
			t.Errorf("in pieces of %d: an assembly is left", piece)
		}
	}
}

// A declared length is not trusted with memory.
func TestDeclaredLengthCostsNothing(t *testing.T) {
	var r frameReader
	var pool assemblyPool
	head := []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4, 'x'} // a mebibyte, of which one byte comes
	if _, in, fault := r.next(head, accepting(), &pool); in.op != 0 || fault.Code != 0 {
		t.Fatal(in, fault)
	}
	if got := cap(r.part.message); got > trustedBytes {
		t.Errorf("%d bytes are allocated", got)
	}
}

func FuzzFrames(f *testing.F) {
	for _, test := range frameCases() {
		if len(test.bytes) < 4096 {
			f.Add(test.bytes, 3)
		}
	}
	lim := frameLimits{frame: 512, message: 700, binary: gateway.BinaryAccept}
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		piece = max(1, min(piece, len(b)))
		whole, fault := readFrames(b, max(1, len(b)), lim)
		parts, partFault := readFrames(b, piece, lim)
		if fault != partFault || !cmp.Equal(whole, parts) {
			t.Errorf("at once %q close %d, in pieces of %d %q close %d", whole, fault, piece, parts, partFault)
		}
		for _, m := range whole {
			if len(m) > 2+lim.message {
				t.Errorf("a message of %d bytes", len(m)-2)
			}
		}
	})
}

func TestWrittenFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 70_000} {
		for _, maxFrame := range []int{0, 1000, 1 << 20} {
			payload := []byte(long(n))
			b := bytes.NewReader(appendMessage(nil, ws.OpBinary, payload, maxFrame))
			var got []byte
			for op := ws.OpBinary; ; op = ws.OpContinuation {
				h, err := ws.ReadHeader(b)
				if err != nil || h.OpCode != op || h.Masked || maxFrame > 0 && h.Length > int64(maxFrame) {
					t.Fatalf("%d bytes by %d: %v %v", n, maxFrame, h, err)
				}
				part := make([]byte, h.Length)
				_, _ = b.Read(part)
				got = append(got, part...)
				if h.Fin {
					break
				}
			}
			if !bytes.Equal(got, payload) || b.Len() != 0 {
				t.Errorf("%d bytes by %d came back as %d, %d are left", n, maxFrame, len(got), b.Len())
			}
		}
	}
}

func TestCloseFrames(t *testing.T) {
	for _, test := range []struct {
		in   gateway.Close
		want string
	}{
		{gateway.Close{}, "\x88\x00"},
		{gateway.Close{Code: 1000}, "\x88\x02\x03\xe8"},
		{gateway.Close{Code: 1001, Reason: "Going away"}, "\x88\x0c\x03\xe9Going away"},
		{gateway.Close{Code: 4000, Reason: long(122) + "é"}, "\x88\x7c\x0f\xa0" + long(122)}, // not half a character
	} {
		if got := string(appendClose(nil, test.in)); got != test.want {
			t.Errorf("%v: %q, want %q", test.in, got, test.want)
		}
	}
	for code := range 6000 {
		want := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
		if validCloseCode(code) != want {
			t.Errorf("close code %d: valid is %v", code, !want)
		}
	}
}
