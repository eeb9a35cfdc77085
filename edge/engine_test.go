package edge

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// testEngine makes the engine of all servers of tests. It is set before the tests run and not changed while they do.
var testEngine func() engine = newEngine

// bothEngines runs the tests on the system's engine, and once more on the goroutine engine where that is another one:
// they must behave the same.
type bothEngines struct{ *testing.M }

func (m bothEngines) Run() int {
	code := m.M.Run()
	if code != 0 || runtime.GOOS != "linux" || asked("test.bench") || asked("test.fuzz") || asked("test.list") {
		return code
	}
	fmt.Fprintln(os.Stderr, "again, on the goroutine engine")
	testEngine = func() engine { return newGoroutineEngine() }
	return m.M.Run()
}

// asked reports whether a flag of the test binary has a value.
func asked(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != ""
}

// regexp2 keeps a clock for its time limits, which stops by itself.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(bothEngines{m}, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}
