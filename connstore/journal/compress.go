package journal

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/sallyport/sallyport/connstore"
)

// compressFrom is the least that is worth compressing: a few records, which repeat API, stage, domain and user agent.
const compressFrom = 512

// maxRecords bounds what a compressed message may become: a full batch, and a record that is larger than one.
const maxRecords = batchBytes + connstore.MaxRecordBytes

var errNoRecords = errors.New("compressed records can't be read")

// seal compresses the records of message, which begin at the given place, where that makes it shorter: a third of it is
// left, and so of what JetStream keeps on disk and for a while in memory. scratch is used for the result and returned
// with it.
func seal(message []byte, records int, scratch []byte) (sealed, kept []byte) {
	if len(message)-records < compressFrom {
		return message, scratch
	}
	scratch = append(scratch[:0], message[:records]...)
	scratch[len(magic)] = versionCompressed
	room := s2.MaxEncodedLen(len(message) - records)
	if cap(scratch)-records < room {
		scratch = append(make([]byte, 0, records+room), scratch...)
	}
	body := s2.Encode(scratch[records:records+room], message[records:])
	if len(body) >= len(message)-records {
		return message, scratch
	}
	return scratch[:records+len(body)], scratch
}

// open returns the records of a compressed message.
func open(body []byte) ([]byte, error) {
	n, err := s2.DecodedLen(body)
	if err != nil || n > maxRecords {
		return nil, errNoRecords
	}
	records, err := s2.Decode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoRecords, err)
	}
	return records, nil
}
