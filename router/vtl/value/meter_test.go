package value_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/router/vtl/value"
)

func TestMeter(t *testing.T) {
	for _, units := range []int{0, 1, 4095, 4096, 4097, 1 << 20} {
		m := value.NewMeter(units, time.Time{})
		for spent := range units {
			if err := m.Spend(1); err != nil {
				t.Fatalf("%d of %d units: %v", spent+1, units, err)
			}
		}
		for range 3 {
			if err := m.Spend(1); !errors.Is(err, value.ErrWork) {
				t.Errorf("beyond %d units: %v", units, err)
			}
		}
		if err := m.Spend(0); !errors.Is(err, value.ErrWork) {
			t.Errorf("after %d units: %v", units, err)
		}
	}
	m := value.NewMeter(1<<20, time.Now().Add(-time.Second))
	if err := m.Spend(1); err != nil {
		t.Errorf("the clock was read for one unit: %v", err)
	}
	for range 2 {
		if err := m.Spend(5000); !errors.Is(err, value.ErrTime) {
			t.Errorf("behind the deadline: %v", err)
		}
	}
}
