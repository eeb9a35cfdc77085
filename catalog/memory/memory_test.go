package memory

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/catalog/catalogtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	catalogtest.Run(t, func(*testing.T) func(*testing.T) catalog.Store {
		s := New()
		return func(*testing.T) catalog.Store { return s }
	})
}
