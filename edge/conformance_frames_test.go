package edge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

func opFrame(op ws.OpCode, rsv byte, s string) []byte {
	return frame(ws.Header{Fin: true, OpCode: op, Rsv: rsv}, []byte(s))
}

func binFrame(s string) []byte { return opFrame(ws.OpBinary, 0, s) }

func TestConformance(t *testing.T) { testConformance(t, echoWorld(t)) }

func testConformance(t *testing.T, w *world) {
	t.Helper()
	for _, group := range []struct {
		name  string
		cases []exchangeCase
	}{
		{"1 framing", framingCases()},
		{"2 pings and pongs", pingCases()},
		{"3 reserved bits", reservedCases()},
		{"4 opcodes", opcodeCases()},
		{"5 fragmentation", fragmentCases()},
		{"6 UTF-8", utf8Cases()},
		{"7 close handshake", closeCases()},
		{"9 limits", limitCases()},
		{"10 auto-fragmentation", autoFragmentCases()},
	} {
		t.Run(group.name, func(t *testing.T) { runExchanges(t, w, group.cases) })
	}
}

func framingCases() []exchangeCase {
	var cases []exchangeCase
	for _, n := range []int{1, 125, 126, 127, 128, 65535, 65536} {
		cases = append(cases,
			exchangeCase{name: fmt.Sprintf("1.1 text of %d", n), send: textFrame(long(n)), want: []heardFrame{text(long(n))}},
			exchangeCase{name: fmt.Sprintf("1.2 binary of %d", n), send: binFrame(long(n)), want: []heardFrame{bin(long(n))}})
	}
	// An empty message reaches $default, whose empty reply sends nothing (contract/websocket-api.md §6.5).
	return append(cases, exchangeCase{name: "1.1.1 empty text", send: join(textFrame(""), ping("after")), want: []heardFrame{pong("after")}},
		exchangeCase{name: "1.2.1 empty binary", send: join(binFrame(""), ping("after")), want: []heardFrame{pong("after")}})
}

func pingCases() []exchangeCase {
	lonely := opFrame(ws.OpPong, 0, "nobody asked")
	var ten []byte
	var pongs []heardFrame
	for i := range 10 {
		s := fmt.Sprint("payload ", i)
		ten, pongs = append(ten, ping(s)...), append(pongs, pong(s))
	}
	return []exchangeCase{
		{name: "2.1 empty ping", send: ping(""), want: []heardFrame{pong("")}},
		{name: "2.2 ping with text", send: ping("Hello"), want: []heardFrame{pong("Hello")}},
		{name: "2.3 ping with bytes", send: ping("\x00\xff\xfe"), want: []heardFrame{pong("\x00\xff\xfe")}},
		{name: "2.4 ping of 125", send: ping(long(125)), want: []heardFrame{pong(long(125))}},
		{name: "2.5 ping of 126", send: ping(long(126)), code: 1002},
		{name: "2.7 pong nobody asked for", send: lonely},
		{name: "2.9 pong, then ping", send: join(lonely, ping("x")), want: []heardFrame{pong("x")}},
		{name: "2.10 ten pings", send: ten, want: pongs},
	}
}

func reservedCases() []exchangeCase {
	var cases []exchangeCase
	for rsv := byte(1); rsv <= 7; rsv++ { // RSV1 too: nothing was negotiated
		cases = append(cases,
			exchangeCase{name: fmt.Sprintf("3.%d text", rsv), send: join(textFrame("a"), opFrame(ws.OpText, rsv, "b")), want: []heardFrame{text("a")}, code: 1002},
			exchangeCase{name: fmt.Sprintf("3.%d binary", rsv), send: opFrame(ws.OpBinary, rsv, "b"), code: 1002},
			exchangeCase{name: fmt.Sprintf("3.%d ping", rsv), send: opFrame(ws.OpPing, rsv, "b"), code: 1002},
			exchangeCase{name: fmt.Sprintf("3.%d close", rsv), send: opFrame(ws.OpClose, rsv, ""), code: 1002})
	}
	return cases
}

func opcodeCases() []exchangeCase {
	var cases []exchangeCase
	for _, op := range []ws.OpCode{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		cases = append(cases,
			exchangeCase{name: fmt.Sprintf("4 opcode %x", byte(op)), send: opFrame(op, 0, ""), code: 1002},
			exchangeCase{name: fmt.Sprintf("4 opcode %x with payload after text", byte(op)), send: join(textFrame("a"), opFrame(op, 0, "x"), ping("")), want: []heardFrame{text("a")}, code: 1002})
	}
	return cases
}

func fragmentCases() []exchangeCase {
	a, b := first(ws.OpText, "fragment1"), last("fragment2")
	both := text("fragment1fragment2")
	return []exchangeCase{
		{name: "5.1 fragmented ping", send: join(frame(ws.Header{OpCode: ws.OpPing}, []byte("a")), last("b")), code: 1002},
		{name: "5.2 fragmented pong", send: join(frame(ws.Header{OpCode: ws.OpPong}, []byte("a")), last("b")), code: 1002},
		{name: "5.3 two fragments", send: join(a, b), want: []heardFrame{both}},
		{name: "5.6 ping in between", send: join(a, ping("ping"), b), want: []heardFrame{pong("ping"), both}},
		{name: "5.9 continuation of nothing", send: join(last("x"), textFrame("y")), code: 1002},
		{name: "5.12 unfinished continuation of nothing", send: join(more("x"), textFrame("y")), code: 1002},
		{name: "5.15 continuation after the end", send: join(a, b, more("c"), last("d")), want: []heardFrame{both}, code: 1002},
		{name: "5.18 two beginnings", send: join(a, first(ws.OpText, "fragment2")), code: 1002},
		{name: "5.19 pings among five fragments", send: join(a, more("2"), ping("p1"), more("3"), more("4"), ping("p2"), last("5")),
			want: []heardFrame{pong("p1"), pong("p2"), text("fragment12345")}},
		{name: "5 empty fragments", send: join(first(ws.OpText, ""), more("x"), last("")), want: []heardFrame{text("x")}},
		{name: "5 binary fragments", send: join(first(ws.OpBinary, "\xff"), last("\xfe")), want: []heardFrame{bin("\xff\xfe")}},
	}
}

func utf8Cases() []exchangeCase {
	cases := []exchangeCase{
		{name: "6.2 in one frame", send: textFrame("Hello-µ@ßöäüàá-UTF-8!!"), want: []heardFrame{text("Hello-µ@ßöäüàá-UTF-8!!")}},
		{name: "6.3 broken in fragments", send: join(first(ws.OpText, "κόσμε"), more("\xed\xa0\x80"), last("edited")), code: 1007},
	}
	var bytewise []byte
	const word = "κόσμε\U0001F389"
	for i := range len(word) {
		bytewise = append(bytewise, frame(ws.Header{OpCode: ws.OpContinuation}, []byte{word[i]})...)
	}
	cases = append(cases, exchangeCase{name: "6.2.4 a byte in a frame", send: join(first(ws.OpText, ""), bytewise, last("")), want: []heardFrame{text(word)}})
	for _, good := range []string{
		"\u0000", "\u0080", "\u0800", "\U00010000", "\u007f", "\u07ff", "\uffff", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\U0001fffe",
	} {
		cases = append(cases, exchangeCase{name: fmt.Sprintf("6 valid %x", good), send: textFrame(good), want: []heardFrame{text(good)}})
	}
	for _, bad := range []string{
		"\x80", "\xbf", "\xc0\xaf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xfe", "\xff", "\xce", "\xe1\x80", "\xf0\x9f\x8e", "a\xc3",
	} {
		cases = append(cases, exchangeCase{name: fmt.Sprintf("6 invalid %x", bad), send: textFrame(bad), code: 1007})
	}
	return cases
}

func closeCases() []exchangeCase {
	cases := []exchangeCase{
		{name: "7.1.1 message, then close", send: textFrame("Hello World!"), want: []heardFrame{text("Hello World!")}},
		{name: "7.1.3 ping after close", send: join(closeFrame(1000, ""), ping("late")), code: 1000},
		{name: "7.1.4 text after close", send: join(closeFrame(1000, ""), textFrame("late")), code: 1000},
		{name: "7.1.5 close inside a message", send: join(first(ws.OpText, "a"), closeFrame(1000, ""), last("b")), code: 1000},
		{name: "7.3.1 empty close", send: opFrame(ws.OpClose, 0, ""), code: 1},
		{name: "7.3.2 close of one byte", send: opFrame(ws.OpClose, 0, "a"), code: 1002},
		{name: "7.3.5 close with the longest reason", send: closeFrame(1000, long(123)), code: 1000},
		{name: "7.3.6 close with too long a reason", send: closeFrame(1000, long(124)), code: 1002},
		{name: "7.5.1 reason that is not UTF-8", send: closeFrame(1000, "\xce\xba\xed\xa0\x80"), code: 1007},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, exchangeCase{name: fmt.Sprintf("7.7 code %d", code), send: closeFrame(code, ""), code: code})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, exchangeCase{name: fmt.Sprintf("7.9 code %d", code), send: closeFrame(code, ""), code: 1002})
	}
	return cases
}

// limitCases are those of group 9 that fit into the default limits, and one that does not.
func limitCases() []exchangeCase {
	const mib = 1 << 20
	var fragments []byte
	for range mib/4096 - 1 {
		fragments = append(fragments, more(long(4096))...)
	}
	cases := []exchangeCase{
		{name: "9.3 a mebibyte in fragments of 4096", send: join(first(ws.OpText, long(4096)), fragments, last("")), want: []heardFrame{text(long(mib))}},
		{name: "9 one byte more in one frame", send: textFrame(long(mib + 1)), code: 1009},
		{name: "9 one byte more in fragments", send: join(first(ws.OpText, long(mib)), last("x")), code: 1009},
	}
	for _, n := range []int{64 << 10, 256 << 10, mib} {
		cases = append(cases,
			exchangeCase{name: fmt.Sprintf("9.1 text of %d", n), send: textFrame(long(n)), want: []heardFrame{text(long(n))}},
			exchangeCase{name: fmt.Sprintf("9.2 binary of %d", n), send: binFrame(long(n)), want: []heardFrame{bin(long(n))}})
	}
	return cases
}

func autoFragmentCases() []exchangeCase {
	const size, chunk = 65536, 1300
	b := first(ws.OpText, long(chunk))
	for n := chunk; n < size; n += chunk {
		b = append(b, more(long(min(chunk, size-n)))...)
	}
	return []exchangeCase{{name: "10.1.1 65536 in chunks of 1300", send: join(b, last("")), want: []heardFrame{text(long(size))}}}
}

// What the aws profile sends is cut into frames of its size.
func TestConformanceFragmentsOfTheProfile(t *testing.T) {
	const most = 1000
	w := echoWorld(t, withLimits(func(l *gateway.LimitSettings) { l.MaxFrameBytes, l.MaxMessageBytes = ptr(most), ptr(10*most) }))
	c := w.connect()
	body := strings.Repeat("0123456789", most/4)
	c.send(join(first(ws.OpText, body[:most]), more(body[most:2*most]), last(body[2*most:])))
	var got string
	for op := ws.OpText; ; op = ws.OpContinuation {
		h, b := c.read()
		if h.OpCode != op || len(b) > most {
			t.Fatalf("frame %+v, want opcode %x of at most %d", h, op, most)
		}
		got += string(b)
		if h.Fin {
			break
		}
	}
	if got != body {
		t.Errorf("%d bytes came back, want %d", len(got), len(body))
	}
}
