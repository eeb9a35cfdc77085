package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// The messages of a journal, version 1. Strings stand readable in them; testdata/batch.golden is a sample. Version 2 is the
// same with all records together as one S2 block.
//
//	message = "SJ" version kind uvarint(number) record…
//	version = 0x01 | 0x02
//	kind    = 'b' a batch | 's' a piece of a snapshot | 'f' a fence, without records
//	record  = op uvarint(length of body) body
//	op      = 'o' open | 'c' close
//	open    = str(id) varint(connectedAt, milliseconds) str(api) str(stage) str(domainName) str(sourceIp)
//	          str(userAgent) str(authorizer: JSON, or empty) [str(extra: JSON)]
//	close   = str(id)
//	str     = uvarint(length) bytes
//
// number counts the messages of one incarnation, so that no two are equal and a writer knows its own again. A reader
// skips records whose op it does not know and what follows the known fields of a body: later versions may add both. A
// new version number is for a change that an old reader must not read over.
//
// The open set is what remains of all opens in order after all closes. A piece of a snapshot repeats the opens of
// connections that are open at that place in the order, so a reader treats it as a batch.
const (
	magic   = "SJ"
	version = 1
	// versionCompressed: its records are compressed.
	versionCompressed = 2

	kindBatch    kind = 'b'
	kindSnapshot kind = 's'
	kindFence    kind = 'f'

	opOpen  op = 'o'
	opClose op = 'c'
)

type (
	kind byte
	op   byte
)

// messageOverhead is about what the stream keeps beside a message's payload: subject, two headers, checksum, index.
const messageOverhead = 192

var (
	errNotAJournalMessage = errors.New("not a journal message")
	errCutRecord          = errors.New("record cut off")
	errBadID              = errors.New("malformed connection id")
	errBadAuthorizer      = errors.New("authorizer is not JSON")
)

func appendHeader(dst []byte, k kind, number uint64) []byte {
	dst = append(dst, magic...)
	dst = append(dst, version, byte(k))
	return binary.AppendUvarint(dst, number)
}

// isFence reports whether data is the message by which a taker-over cuts the chain.
func isFence(data []byte) bool {
	return len(data) > len(magic)+1 && string(data[:len(magic)]) == magic && kind(data[len(magic)+1]) == kindFence
}

// appendOpen appends the open record of c.
func appendOpen(dst []byte, c *gateway.Connection) []byte {
	more := extraOf(c)
	dst = append(dst, byte(opOpen))
	dst = binary.AppendUvarint(dst, uint64(openBodySize(c, more)))
	dst = appendStr(dst, c.ID)
	dst = binary.AppendVarint(dst, c.ConnectedAt.UnixMilli())
	dst = appendStr(dst, c.API)
	dst = appendStr(dst, c.Stage)
	dst = appendStr(dst, c.DomainName)
	dst = appendStr(dst, c.SourceIP)
	dst = appendStr(dst, c.UserAgent)
	dst = appendStr(dst, c.Authorizer)
	if len(more) > 0 {
		dst = appendStr(dst, more)
	}
	return dst
}

// extra is what only some connections have. It stands behind the other fields as JSON, and is left out where there is nothing.
type extra struct {
	Caller    gateway.Caller `json:"caller,omitzero"`
	Handshake keptHandshake  `json:"handshake,omitzero"`
}

// keptHandshake is what is stored of a gateway.Handshake: the query, which a $disconnect after a crash tells. Nobody would read
// the headers, and they are where clients show themselves by tokens and cookies.
type keptHandshake struct {
	Query string `json:"query,omitempty"`
}

// extraOf leaves out what would let a reader of the store in: the API key's value and the handshake's headers.
func extraOf(c *gateway.Connection) []byte {
	var e extra
	if c.Caller != nil {
		e.Caller = *c.Caller
		e.Caller.APIKey = ""
	}
	if c.Handshake != nil {
		e.Handshake.Query = c.Handshake.Query
	}
	if e == (extra{}) {
		return nil
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil // can't be: strings
	}
	return text
}

// appendClose appends the close record of id.
func appendClose(dst []byte, id gateway.ConnectionID) []byte {
	dst = append(dst, byte(opClose))
	dst = binary.AppendUvarint(dst, uint64(strSize(len(id))))
	return appendStr(dst, id)
}

func appendStr[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// openSize returns how many bytes appendOpen appends.
func openSize(c *gateway.Connection) int {
	body := openBodySize(c, extraOf(c))
	return 1 + uvarintSize(uint64(body)) + body
}

// openBodySize takes what extraOf made of c.
func openBodySize(c *gateway.Connection, more []byte) int {
	ms := c.ConnectedAt.UnixMilli()
	size := strSize(len(c.ID)) + uvarintSize(uint64(ms)<<1^uint64(ms>>63)) +
		strSize(len(c.API)) + strSize(len(c.Stage)) + strSize(len(c.DomainName)) + strSize(len(c.SourceIP)) +
		strSize(len(c.UserAgent)) + strSize(len(c.Authorizer))
	if len(more) > 0 {
		size += strSize(len(more))
	}
	return size
}

func closeSize(id gateway.ConnectionID) int {
	body := strSize(len(id))
	return 1 + uvarintSize(uint64(body)) + body
}

func strSize(n int) int { return uvarintSize(uint64(n)) + n }

func uvarintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// entry is one record as read: an open with its connection, or a close with an id alone.
type entry struct {
	op   op
	conn gateway.Connection
	// damaged says that the extra part of an open can't be read: the connection is there, its caller and handshake are not.
	damaged bool
}

// decode reads one message and calls visit for each of its records in order. A record with a bad body is counted in
// skipped and read over; where lengths can't be trusted any more the rest of the message is given up and counted once.
// The first error is returned for the log; it never stops a reader. What visit gets shares no memory with data.
func decode(data []byte, visit func(entry)) (k kind, skipped int, err error) {
	if len(data) < len(magic)+2 || string(data[:len(magic)]) != magic {
		return 0, 1, errNotAJournalMessage
	}
	v := data[len(magic)]
	if v != version && v != versionCompressed {
		return 0, 1, fmt.Errorf("journal message of version %d, this program reads %d and %d", v, version, versionCompressed)
	}
	k = kind(data[len(magic)+1])
	rest := data[len(magic)+2:]
	_, n := binary.Uvarint(rest)
	if n <= 0 {
		return k, 1, errCutRecord
	}
	if rest = rest[n:]; v == versionCompressed {
		if rest, err = open(rest); err != nil {
			return k, 1, err
		}
	}
	note := func(e error) {
		skipped++
		if err == nil {
			err = e
		}
	}
	for len(rest) > 0 {
		o := op(rest[0])
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > connstore.MaxRecordBytes || size > uint64(len(rest)-1-n) {
			note(errCutRecord)
			return k, skipped, err
		}
		body := rest[1+n : 1+n+int(size)]
		rest = rest[1+n+int(size):]
		switch o {
		case opOpen, opClose:
			if e, bad := decodeBody(o, body); bad != nil {
				note(bad)
			} else {
				visit(e)
			}
		}
	}
	return k, skipped, err
}

func decodeBody(o op, body []byte) (entry, error) {
	r := reader{s: string(body)} // one copy that all fields share
	e := entry{op: o}
	id, err := gateway.ParseConnectionID(r.str())
	if err != nil {
		return entry{}, errBadID
	}
	e.conn.ID = id
	if o == opClose {
		return e, nil
	}
	e.conn.ConnectedAt = time.UnixMilli(r.varint()).UTC()
	e.conn.API = gateway.APIID(r.str())
	e.conn.Stage = gateway.StageName(r.str())
	e.conn.DomainName = r.str()
	e.conn.SourceIP = r.str()
	e.conn.UserAgent = r.str()
	if a := r.str(); a != "" {
		e.conn.Authorizer = json.RawMessage(a)
	}
	if r.cut {
		return entry{}, errCutRecord
	}
	if r.s != "" { // older records end here
		var more extra
		if text := r.str(); r.cut || text != "" && json.Unmarshal([]byte(text), &more) != nil {
			e.damaged = true
		} else {
			if more.Caller != (gateway.Caller{}) {
				e.conn.Caller = &more.Caller
			}
			if more.Handshake.Query != "" {
				e.conn.Handshake = &gateway.Handshake{Query: more.Handshake.Query}
			}
		}
	}
	if e.conn.Authorizer != nil && !json.Valid(e.conn.Authorizer) {
		return entry{}, errBadAuthorizer // it would break the event that it is put into
	}
	return e, nil
}

// reader takes the fields of a body off its front; cut is set once something is missing.
type reader struct {
	s   string
	cut bool
}

func (r *reader) str() string {
	v, n := uvarint(r.s)
	if n <= 0 || v > uint64(len(r.s)-n) {
		r.s, r.cut = "", true
		return ""
	}
	out := r.s[n : n+int(v)]
	r.s = r.s[n+int(v):]
	return out
}

func (r *reader) varint() int64 {
	v, n := uvarint(r.s)
	if n <= 0 {
		r.s, r.cut = "", true
		return 0
	}
	r.s = r.s[n:]
	return int64(v>>1) ^ -int64(v&1)
}

// uvarint is binary.Uvarint for a string; n ≤ 0 means that there is none.
func uvarint(s string) (v uint64, n int) {
	for i := range min(len(s), binary.MaxVarintLen64) {
		b := s[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			return 0, 0
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
