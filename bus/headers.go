package bus

import (
	"errors"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// The headers with a meaning of their own (DESIGN §3.3, §3.4). They are written in this case and read in any.
const (
	// HeaderContext carries the JSON object of schemas/event on every event.
	HeaderContext = "Sallyport-Context"
	// HeaderStatus is the status of a reply; without it a reply is a 200.
	HeaderStatus = "Sallyport-Status"
	// HeaderOpcode marks binary bodies, both ways; its one value is OpcodeBinary.
	HeaderOpcode = "Sallyport-Opcode"
	// HeaderError holds the gateway.Code of a failure. The body is the message that a client may see.
	HeaderError = "Sallyport-Error"
	// HeaderAck asks the worker of a one-way route to tell of success too; its one value is "1".
	HeaderAck = "Sallyport-Ack"
	// HeaderAttempt says on a stored event how often it has been tried, this time included.
	HeaderAttempt = "Sallyport-Attempt"
	// HeaderCloseCode and HeaderCloseReason are the close frame that a delete command asks for.
	HeaderCloseCode   = "Sallyport-Close-Code"
	HeaderCloseReason = "Sallyport-Close-Reason"

	// OpcodeBinary is the value of HeaderOpcode.
	OpcodeBinary = "binary"

	ackWanted = "1"
	statusOK  = "200"
)

// What nats-server itself writes on a "no responders" message (nats-facts §4.1).
const (
	natsStatus        = "Status"
	natsSubject       = "Nats-Subject"
	natsNoResponders  = "503"
	prefixSallyport   = "sallyport-"
	prefixNATS        = "nats-"
	nameStatus        = "status"
	nameDescription   = "description"
	headerTraceparent = "traceparent"
	headerTracestate  = "tracestate"
)

const (
	// maxErrorMessage bounds the public message of a failure: it ends up in one frame or header.
	maxErrorMessage = 1024
	// minStatus and maxStatus: an interim 1xx status is no answer, and net/http writes three digits.
	minStatus = 200
	maxStatus = 599
)

// Reserved reports whether clients and backends may not use a header name: it would act on NATS or on us
// (nats-facts §3.3, §3.4). It is compared without regard to case.
func Reserved(name string) bool {
	if name == "" {
		return false
	}
	switch name[0] | 0x20 {
	case 's':
		return hasPrefixFold(name, prefixSallyport) || strings.EqualFold(name, nameStatus)
	case 'n':
		return hasPrefixFold(name, prefixNATS)
	case 'd':
		return strings.EqualFold(name, nameDescription)
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isTrace reports the two headers of W3C trace context. A client's own are never passed on: the edge's trace, when
// there is one, takes their place (nats-facts §3.5).
func isTrace(name string) bool {
	return len(name) > 0 && name[0]|0x20 == 't' &&
		(strings.EqualFold(name, headerTraceparent) || strings.EqualFold(name, headerTracestate))
}

// passes reports whether a header goes on to the other side: its name must be an HTTP token, or the whole message
// could not be published (nats-facts §3.1), and must mean nothing on the bus.
func passes(name string) bool {
	if name == "" || Reserved(name) || isTrace(name) {
		return false
	}
	for i := range len(name) {
		if !isTokenByte(name[i]) {
			return false
		}
	}
	return true
}

// isTokenByte reports the characters of an HTTP token (RFC 9110 §5.6.2).
func isTokenByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
		return true
	}
	return c > ' ' && c < 0x7f && strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) < 0
}

// cleanValues drops values with control characters, which HTTP does not allow and which could end a header line on its
// way to a client. It returns values itself when there are none, as nearly always.
func cleanValues(values []string) []string {
	for i, v := range values {
		if cleanValue(v) {
			continue
		}
		kept := append([]string(nil), values[:i]...)
		for _, v := range values[i+1:] {
			if cleanValue(v) {
				kept = append(kept, v)
			}
		}
		return kept
	}
	return values
}

func cleanValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// eventHeader writes the headers of an event into h, which is empty; ones is where their values go. They are good as long as
// the event does not change. The client's own are on it for $connect and requests only, as the edge gives them.
func eventHeader(h nats.Header, ones *[eventHeaders]string, ev *gateway.Event) {
	one := ones[:0]
	copyHeader(h, ev.Header)
	if len(ev.Context) > 0 {
		one = set(h, one, HeaderContext, textOf(ev.Context))
	}
	if ev.Binary {
		one = set(h, one, HeaderOpcode, OpcodeBinary)
	}
	if ev.Kind == gateway.EventDisconnect {
		// Its request id follows from the connection's, also when another edge tells of it a second time.
		one = set(h, one, nats.MsgIdHdr, string(ev.Request))
	}
	if ev.Expect == gateway.ExpectStored {
		one = set(h, one, nats.MsgIdHdr, string(ev.Message))
	}
	if ev.Expect == gateway.ExpectAck {
		one = set(h, one, HeaderAck, ackWanted)
	}
	if ev.Attempt > 0 {
		set(h, one, HeaderAttempt, strconv.Itoa(ev.Attempt))
	}
}

// eventHeaders is how many headers of our own an event may have: context, opcode, and of acknowledgement, message id and
// attempt two at most.
const eventHeaders = 4

// copyHeader copies what passes.
func copyHeader(to nats.Header, from gateway.Header) {
	for name, values := range from {
		if !passes(name) {
			continue
		}
		if values = cleanValues(values); len(values) > 0 {
			to[name] = values
		}
	}
}

// set sets a header of one value, which becomes a piece of ones; that has room for all.
func set(h nats.Header, ones []string, name, value string) []string {
	n := len(ones)
	ones = append(ones, value)
	h[name] = ones[n : n+1 : n+1]
	return ones
}

// control is what the reserved headers of a message say.
type control struct {
	context     string
	status      string
	code        string
	binary      bool
	ack         bool
	closeCode   string
	closeReason string
	// any: at least one Sallyport- header is there, so the sender knows of us.
	any bool
}

// readHeader separates what the bus acts upon from what goes on. The result's Header is nil when nothing goes on.
func readHeader(h nats.Header) (control, gateway.Header) {
	var c control
	var rest gateway.Header
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		if passes(name) {
			if values = cleanValues(values); len(values) > 0 {
				if rest == nil {
					rest = make(gateway.Header, len(h))
				}
				rest[name] = values
			}
			continue
		}
		if hasPrefixFold(name, prefixSallyport) {
			c.any = true
			c.set(name, values[0])
		}
	}
	return c, rest
}

func (c *control) set(name, value string) {
	switch {
	case strings.EqualFold(name, HeaderContext):
		c.context = value
	case strings.EqualFold(name, HeaderStatus):
		c.status = value
	case strings.EqualFold(name, HeaderError):
		c.code = value
	case strings.EqualFold(name, HeaderOpcode):
		c.binary = strings.EqualFold(value, OpcodeBinary)
	case strings.EqualFold(name, HeaderAck):
		c.ack = value == ackWanted
	case strings.EqualFold(name, HeaderCloseCode):
		c.closeCode = value
	case strings.EqualFold(name, HeaderCloseReason):
		c.closeReason = value
	}
}

// noResponders reports nats-server's own message that nobody subscribes to a subject. Status alone proves nothing: a
// backend may send it (nats-facts §3.4).
func noResponders(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header[natsSubject] != nil && m.Header.Get(natsStatus) == natsNoResponders
}

// ErrNoResponders is in the chain of a failure that no answer told of: NATS knows nobody who takes the message.
var ErrNoResponders = errors.New("NATS: no responders")

func errNobody() *gateway.Error {
	return &gateway.Error{Code: gateway.CodeUnavailable, Message: "nobody serves this route", Cause: ErrNoResponders}
}

// origin says how much of a reply was written by someone who knows our headers.
type origin uint8

const (
	originPlain origin = iota // no Sallyport- header: the body of a simple backend
	originOurs
	originJunk // Sallyport- headers that mean nothing
)

// readReply turns a reply into what the sender gets.
func readReply(m *nats.Msg) (*gateway.Reply, origin, error) {
	if noResponders(m) {
		return nil, originOurs, errNobody()
	}
	c, rest := readHeader(m.Header)
	if !c.any {
		return &gateway.Reply{Status: 200, Header: rest, Body: m.Data}, originPlain, nil
	}
	if c.code != "" {
		err, o := readError(c.code, m.Data)
		return nil, o, err
	}
	status := 200
	if c.status != "" {
		n, err := strconv.Atoi(c.status)
		if err != nil || n < minStatus || n > maxStatus {
			return nil, originJunk, gateway.Errorf(gateway.CodeIntegration, "the backend answered with an invalid status")
		}
		status = n
	}
	return &gateway.Reply{Status: status, Header: rest, Body: m.Data, Binary: c.binary}, originOurs, nil
}

func readError(code string, body []byte) (*gateway.Error, origin) {
	e, o := &gateway.Error{Code: gateway.Code(code), Message: publicMessage(body)}, originOurs
	if !e.Code.Known() {
		e.Code, o = gateway.CodeInternal, originJunk
	}
	return e, o
}

// publicMessage bounds a message that came from outside.
func publicMessage(body []byte) string {
	body = body[:min(len(body), maxErrorMessage)]
	return strings.ToValidUTF8(string(body), "\uFFFD")
}

// plainReply builds the message for a reply like replyMessage, but leaves out the headers where there is nothing but a
// body to tell: 200 is what their absence means, and they are half the cost of a message.
func plainReply(subject string, r *gateway.Reply) *nats.Msg {
	if (r.Status == 0 || r.Status == 200) && len(r.Header) == 0 && !r.Binary && !looksLikePubAck(r.Body) {
		return &nats.Msg{Subject: subject, Data: r.Body}
	}
	return replyMessage(subject, r)
}

// replyMessage builds the message for a reply.
func replyMessage(subject string, r *gateway.Reply) *nats.Msg {
	const own = 2 // Status, Opcode
	h, one := make(nats.Header, own+len(r.Header)), make([]string, 0, own)
	copyHeader(h, r.Header)
	status := statusOK
	if r.Status != 0 && r.Status != 200 {
		status = strconv.Itoa(r.Status)
	}
	one = set(h, one, HeaderStatus, status)
	if r.Binary {
		set(h, one, HeaderOpcode, OpcodeBinary)
	}
	return &nats.Msg{Subject: subject, Header: h, Data: r.Body}
}

// errorMessage builds the message for a failure: the code and the public message, never the cause.
func errorMessage(subject string, err error) *nats.Msg {
	e := publicError(err)
	return &nats.Msg{
		Subject: subject,
		Header:  nats.Header{HeaderError: []string{string(e.Code)}},
		Data:    []byte(e.Message),
	}
}
