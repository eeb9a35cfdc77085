package edge

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// chatter is text of a kind that refers back: words of a small language, in the order of a seed.
func chatter(random *rand.Rand, size int) []byte {
	words := strings.Fields(`{"action": "say", "text": "hello" "token": secret room lobby 4711 user ann bob } [ ]`)
	var b []byte
	for len(b) < size {
		b = append(b, words[random.IntN(len(words))]...)
		b = append(b, ' ')
	}
	return b[:size]
}

// What the pools hold goes from connection to connection: no message may be written in terms of one before it. The reader
// here is new for each message, and has nothing to refer back to.
func TestPooledDeflatersForget(t *testing.T) {
	var out deflaterPool
	var in inflaterPool
	random := rand.New(rand.NewPCG(1, 2))
	repeated := chatter(random, 2000)
	for i := range 600 {
		window := minWindowBits + windowBits(random.IntN(int(maxWindowBits-minWindowBits)+1))
		text := chatter(random, minDeflateBytes+random.IntN(4000))
		if i%3 == 0 {
			text = repeated // another connection's very words are the easiest to refer to
		}
		b := out.appendMessage(nil, window, ws.OpText, text, 0)
		h, err := ws.ReadHeader(bytes.NewReader(b))
		if err != nil || h.Rsv != rsvDeflated {
			t.Fatalf("message %d, window %d: %+v, %v", i, window, h, err)
		}
		small := b[len(b)-int(h.Length):]
		alone := flate.NewReader(io.MultiReader(bytes.NewReader(small), strings.NewReader(deflateEnd)))
		if got, err := io.ReadAll(alone); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("message %d, window %d: a reader without the messages before gets %d bytes of %d, %v", i, window, len(got), len(text), err)
		}
		if got, fault := in.inflate(small, len(text)); fault.Code != 0 || !bytes.Equal(got, text) {
			t.Fatalf("message %d, window %d: %d bytes of %d came back, close %v", i, window, len(got), len(text), fault)
		}
	}
}

// A client can't have another's message read to it by pointing back before the start of its own.
func TestPooledInflatersForget(t *testing.T) {
	var in inflaterPool
	secret := chatter(rand.New(rand.NewPCG(3, 4)), 4000)
	var b bytes.Buffer
	w, err := flate.NewWriterDict(&b, flate.BestCompression, secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(secret); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	pointing := bytes.TrimSuffix(b.Bytes(), []byte(deflateTail))
	if len(pointing) > len(secret)/20 {
		t.Fatalf("%d bytes do not point back to %d", len(pointing), len(secret))
	}
	for range 30 {
		if got, fault := in.inflate(deflated(t, string(secret)), len(secret)); fault.Code != 0 || !bytes.Equal(got, secret) {
			t.Fatalf("the first message: %v", fault)
		}
		if got, fault := in.inflate(pointing, len(secret)); fault.Code == 0 {
			t.Fatalf("the second got %d bytes of the first", len(got))
		}
	}
}
