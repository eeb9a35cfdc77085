package edge

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// minDeflateBytes is the smallest message that we compress: below it a message without earlier context saves less
	// than a network packet.
	minDeflateBytes = 512
	// maxDeflateStreams is how many finished deflate streams one message may consist of (RFC 7692 §7.2.3.5). Senders use
	// one or two; each more costs us a restart.
	maxDeflateStreams = 16
	// deflateReach is how far back deflate can refer (RFC 1951 §2).
	deflateReach = 1 << maxWindowBits
	// rsvDeflated is RSV1 as the frame codec counts reserved bits; it marks a compressed message (RFC 7692 §6).
	rsvDeflated = 0x4
)

// reasonDeflate is ours; neither RFC 7692 nor Amazon says what bad data is called.
const reasonDeflate = "Invalid compressed data"

const (
	// deflateTail ends every compressed message and does not travel (RFC 7692 §7.2.1).
	deflateTail = "\x00\x00\xff\xff"
	// deflateEnd is the tail and an empty last block, so that the inflater sees an end.
	deflateEnd = deflateTail + "\x01\x00\x00\xff\xff"
)

// deflateSlack is what compression may add to n bytes that it can't shrink: five bytes for a stored block, of which
// common encoders write one per 16 KiB.
func deflateSlack(n int) int {
	const perBlock, fixed = 10, 64 // one part in 1,024, and the ends
	return n>>perBlock + fixed
}

// inflaterPool keeps inflaters between messages: 40 KiB each, held only while a message is read.
type inflaterPool struct {
	pool  sync.Pool
	sizes *deflateCounter // nil: nothing is counted
}

// inflater reads one compressed message.
type inflater struct {
	source messageSource
	end    []byte // deflateEnd
	out    []byte // the message while its length is not known
	reader io.ReadCloser
	reset  flate.Resetter
}

func (p *inflaterPool) get() (*inflater, error) {
	if f, ok := p.pool.Get().(*inflater); ok {
		return f, nil
	}
	f := &inflater{end: []byte(deflateEnd)}
	f.reader = flate.NewReader(&f.source)
	var ok bool
	if f.reset, ok = f.reader.(flate.Resetter); !ok {
		return nil, gateway.Errorf(gateway.CodeInternal, "the inflater can't be reused")
	}
	return f, nil
}

func (p *inflaterPool) put(f *inflater) {
	f.source = messageSource{}
	if cap(f.out) > keepBufferBytes {
		f.out = nil
	}
	p.pool.Put(f)
}

// inflate returns the message whose compressed form is payload, in memory of its own. The result has at most limit
// bytes, whatever payload says; a Close with a code says that it would be longer or that payload is no deflate data.
func (p *inflaterPool) inflate(payload []byte, limit int) ([]byte, gateway.Close) {
	f, err := p.get()
	if err != nil {
		return nil, gateway.Close{Code: int(ws.StatusInternalServerError)}
	}
	defer p.put(f)
	f.source = messageSource{payload: payload, end: f.end}
	f.out = f.out[:0]
	bad := gateway.Close{Code: int(ws.StatusInvalidFramePayloadData), Reason: reasonDeflate}
	for range maxDeflateStreams {
		if f.reset.Reset(&f.source, f.out[max(0, len(f.out)-deflateReach):]) != nil {
			return nil, bad
		}
		err = f.read(limit)
		switch {
		case len(f.out) > limit:
			return nil, gateway.Close{Code: int(ws.StatusMessageTooBig), Reason: reasonTooBig}
		case err != nil:
			return nil, bad
		case f.source.empty():
			p.sizes.count(len(f.out), len(payload))
			return bytes.Clone(f.out), gateway.Close{} // no larger than it must be: a route may keep it
		}
	}
	return nil, bad
}

// read appends to out what the stream gives until its end, or until there is more than limit.
func (f *inflater) read(limit int) error {
	for len(f.out) <= limit {
		f.out = slices.Grow(f.out, minDeflateBytes) // doubles what is there
		n, err := f.reader.Read(f.out[len(f.out):min(cap(f.out), limit+1)])
		f.out = f.out[:len(f.out)+n]
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// messageSource gives a message's bytes and then its end. It can be read byte by byte, so that a finished stream leaves
// what follows it.
type messageSource struct{ payload, end []byte }

func (s *messageSource) empty() bool { return len(s.payload)+len(s.end) == 0 }

func (s *messageSource) Read(b []byte) (int, error) {
	part := s.part()
	n := copy(b, *part)
	*part = (*part)[n:]
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *messageSource) ReadByte() (byte, error) {
	part := s.part()
	if len(*part) == 0 {
		return 0, io.EOF
	}
	c := (*part)[0]
	*part = (*part)[1:]
	return c, nil
}

func (s *messageSource) part() *[]byte {
	if len(s.payload) > 0 {
		return &s.payload
	}
	return &s.end
}

// deflaterPool keeps deflaters between messages, one pool for each window.
type deflaterPool struct {
	pools [maxWindowBits - minWindowBits + 1]sync.Pool
	sizes *deflateCounter // nil: nothing is counted
}

// deflater compresses one message at a time.
type deflater struct {
	out    bytes.Buffer
	writer *flate.Writer
}

func (p *deflaterPool) get(window windowBits) (*deflater, error) {
	if d, ok := p.pools[window-minWindowBits].Get().(*deflater); ok {
		return d, nil
	}
	d := new(deflater)
	var err error
	if window == maxWindowBits {
		d.writer, err = flate.NewWriter(&d.out, flate.BestSpeed)
	} else {
		d.writer, err = flate.NewWriterWindow(&d.out, 1<<window)
	}
	return d, err
}

func (p *deflaterPool) put(d *deflater, window windowBits) {
	if d.out.Cap() > keepBufferBytes {
		d.out = bytes.Buffer{}
	}
	p.pools[window-minWindowBits].Put(d)
}

// appendMessage appends a message as frames, compressed if that was negotiated and makes it smaller. Large messages are
// cut into frames as plain ones are; RSV1 is on the first (RFC 7692 §6.1).
func (p *deflaterPool) appendMessage(dst []byte, window windowBits, op ws.OpCode, payload []byte, maxFrame int) []byte {
	if window == 0 || len(payload) < minDeflateBytes {
		return appendMessage(dst, op, payload, maxFrame)
	}
	d, err := p.get(window)
	if err != nil {
		return appendMessage(dst, op, payload, maxFrame)
	}
	defer p.put(d, window)
	small, err := d.deflate(payload)
	if err != nil || len(small) >= len(payload) {
		return appendMessage(dst, op, payload, maxFrame)
	}
	p.sizes.count(len(payload), len(small))
	return appendFrames(dst, ws.Header{OpCode: op, Rsv: rsvDeflated}, small, maxFrame)
}

// deflate compresses payload without its tail; the result is valid until the deflater is used again.
func (d *deflater) deflate(payload []byte) ([]byte, error) {
	d.out.Reset()
	d.writer.Reset(&d.out)
	if _, err := d.writer.Write(payload); err != nil {
		return nil, err
	}
	if err := d.writer.Flush(); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(d.out.Bytes(), []byte(deflateTail)), nil
}
