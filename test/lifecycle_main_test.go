package test

import (
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the run when a goroutine of any gateway, client or backend outlives its test. A copy of the test
// program that a gateway started by --run is that gateway's backend instead.
func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		os.Exit(runCommandBackend())
	}
	goleak.VerifyTestMain(suite{m})
}

// suite is all tests and what they share.
type suite struct{ *testing.M }

// Run ends what the tests shared before goroutines are counted.
func (s suite) Run() int {
	code := s.M.Run()
	http.DefaultClient.CloseIdleConnections()
	sallyport.remove()
	return code
}
