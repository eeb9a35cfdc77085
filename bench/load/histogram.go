package load

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// A histogram holds durations from a microsecond to ten minutes with three figures, in 160 KB. Longer ones count as
	// ten minutes.
	lowest  = time.Microsecond
	highest = 10 * time.Minute
	figures = 3
)

// Histogram counts durations. The zero value is empty.
type Histogram struct{ h *hdrhistogram.Histogram }

// Record counts one duration.
func (h *Histogram) Record(d time.Duration) {
	if h.h == nil {
		h.h = hdrhistogram.New(int64(lowest), int64(highest), figures)
	}
	_ = h.h.RecordValue(int64(min(max(d, 0), highest))) // in range, so it can't fail
}

// Add adds what o counted.
func (h *Histogram) Add(o Histogram) {
	if o.h == nil {
		return
	}
	if h.h == nil {
		h.h = hdrhistogram.New(int64(lowest), int64(highest), figures)
	}
	h.h.Merge(o.h)
}

// Count is how many durations there are.
func (h Histogram) Count() int64 {
	if h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// At returns the duration below which a part of all lies: 0.99 for p99. 1 gives the longest, 0 the shortest.
func (h Histogram) At(quantile float64) time.Duration {
	switch {
	case h.Count() == 0:
		return 0
	case quantile <= 0:
		return time.Duration(h.h.Min())
	default:
		return time.Duration(h.h.ValueAtPercentile(100 * quantile))
	}
}

// Mean is the average.
func (h Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Mean())
}

// MarshalJSON writes the compressed form that HdrHistogram's tools read, or null.
func (h Histogram) MarshalJSON() ([]byte, error) {
	if h.Count() == 0 {
		return []byte("null"), nil
	}
	text, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	return json.Marshal(string(text))
}

// UnmarshalJSON reads it.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil || text == nil {
		*h = Histogram{}
		return err
	}
	decoded, err := hdrhistogram.Decode([]byte(*text))
	if err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	h.h = decoded
	return nil
}
