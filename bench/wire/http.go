package wire

import (
	"bytes"
	"strconv"
)

// answer is where the parser of HTTP answers stands.
type answer struct {
	status   int
	left     int64 // of the body, or of the chunk with the line end behind it
	part     part
	last     bool // the server closes the connection after it
	untilEnd bool // the body ends with the connection
}

type part uint8

const (
	partHead part = iota
	partBody
	partChunkSize
	partChunk
	partTrailer
)

// Call is an HTTP request, to the target's host with the target's headers.
type Call struct {
	Method, Path string
	Header       []byte // further whole lines
	Body         []byte
}

// Request sends a request. The connection takes the next one after Answered.
func (l *Loop) Request(c *Conn, call Call) {
	b := append(l.frame[:0], call.Method...)
	b = append(append(append(b, ' '), call.Path...), " HTTP/1.1\r\n"...)
	b = append(append(b, c.target.head...), call.Header...)
	if len(call.Body) > 0 || call.Method == "POST" || call.Method == "PUT" {
		b = strconv.AppendInt(append(b, "Content-Length: "...), int64(len(call.Body)), 10)
		b = append(b, "\r\n"...)
	}
	l.frame = append(append(b, "\r\n"...), call.Body...)
	l.put(c, l.frame)
}

// parseAnswer reads what there is of answers. Bodies are counted and passed over.
func (l *Loop) parseAnswer(c *Conn, data []byte) (int, error) {
	used := 0
	for c.state == open && used < len(data) {
		a, rest := c.http, data[used:]
		switch a.part {
		case partHead:
			head, ok, err := cutHead(rest)
			if !ok || err != nil {
				return used, err
			}
			used += len(head)
			if err := a.begin(head); err != nil {
				return used, err
			}
			if a.part == partBody && a.left == 0 && !a.untilEnd {
				l.answered(c)
			}
		case partBody:
			if a.untilEnd {
				return len(data), nil
			}
			n := min(a.left, int64(len(rest)))
			used, a.left = used+int(n), a.left-n
			if a.left == 0 {
				l.answered(c)
			}
		case partChunk:
			n := min(a.left, int64(len(rest)))
			used, a.left = used+int(n), a.left-n
			if a.left == 0 {
				a.part = partChunkSize
			}
		case partChunkSize, partTrailer:
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				if len(rest) > maxHead {
					return used, errNotHTTP
				}
				return used, nil
			}
			used += end + 1
			line := bytes.TrimRight(rest[:end], "\r")
			if a.part == partTrailer {
				if len(line) == 0 {
					l.answered(c)
				}
				continue
			}
			if err := a.beginChunk(line); err != nil {
				return used, err
			}
		}
	}
	return used, nil
}

// begin reads the head of an answer and says by part and left what follows.
func (a *answer) begin(head []byte) error {
	status, err := statusOf(head)
	if err != nil {
		return err
	}
	if status < 200 {
		return nil // an interim answer: the real one follows
	}
	*a = answer{status: status, part: partBody, last: bytes.EqualFold(headerValue(head, "Connection"), []byte("close"))}
	length := headerValue(head, "Content-Length")
	switch {
	case status == 204 || status == 304:
	case bytes.EqualFold(headerValue(head, "Transfer-Encoding"), []byte("chunked")):
		a.part = partChunkSize
	case length != nil:
		n, err := strconv.ParseUint(string(length), 10, 62)
		if err != nil {
			return errNotHTTP
		}
		a.left = int64(n)
	default:
		a.untilEnd, a.last = true, true
	}
	return nil
}

func (a *answer) beginChunk(line []byte) error {
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 62)
	if err != nil {
		return errNotHTTP
	}
	if n == 0 {
		a.part = partTrailer
		return nil
	}
	a.part, a.left = partChunk, int64(n)+int64(len("\r\n"))
	return nil
}

func (l *Loop) answered(c *Conn) {
	status, last := c.http.status, c.http.last
	*c.http = answer{}
	if last && c.state == open {
		c.state = closing // it takes no further request
	}
	l.handler.Answered(c, status)
	if last {
		l.end(c, ErrClosed, false)
	}
}

// cutHead returns a head with the empty line that ends it, when that has come.
func cutHead(data []byte) (head []byte, ok bool, err error) {
	end := bytes.Index(data[:min(len(data), maxHead)], []byte("\r\n\r\n"))
	if end < 0 {
		if len(data) >= maxHead {
			return nil, false, errNotHTTP
		}
		return nil, false, nil
	}
	return data[:end+4], true, nil
}

// statusOf reads "HTTP/1.1 200 OK".
func statusOf(head []byte) (int, error) {
	rest, ok := bytes.CutPrefix(head, []byte("HTTP/1."))
	if !ok || len(rest) < len("1 200") || rest[1] != ' ' {
		return 0, errNotHTTP
	}
	status, err := strconv.Atoi(string(rest[2:5]))
	if err != nil || status < 100 {
		return 0, errNotHTTP
	}
	return status, nil
}

// headerValue returns the first value of a header, or nil.
func headerValue(head []byte, name string) []byte {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\r\n"))
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
		head = rest
	}
	return nil
}
