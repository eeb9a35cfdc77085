package test

import (
	"flag"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// sideBySide is how many parallel tests run at a time unless -parallel says otherwise: more than there are cores, since
// they mostly wait for time limits.
const sideBySide = "6"

// TestMain fails the run when a goroutine of any gateway, client or backend outlives its test. A copy of the test
// program that a gateway started by --run is that gateway's backend instead, one that a chaos test started a NATS server.
func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		os.Exit(runCommandBackend())
	}
	if config := os.Getenv(serverVariable); config != "" {
		os.Exit(runNATSServer(config))
	}
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic(err) // the testing package has the flag
	}
	// The clock of the pattern library ends by itself a moment after its last match.
	goleak.VerifyTestMain(suite{m}, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
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
