package load

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/bench/benchtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A greeting that never comes ends the run, and is named.
func TestGreetingsAreNotAwaitedForever(t *testing.T) {
	url := benchtest.Serve(t, func(c *benchtest.Client) {
		for {
			if _, err := c.Read(); err != nil {
				return
			}
		}
	})
	for want, job := range map[string]Job{
		"--ready":      {Scenario: Echo, Ready: "never"},
		"--id-message": {Scenario: Push, IDMessage: "{}"},
	} {
		job.URLs, job.Workers, job.Connections, job.Duration = []string{url}, 1, 3, time.Second
		w, err := New(t.Context(), Config{Job: job})
		if err != nil {
			t.Fatal(err)
		}
		w.moved.patience = 30 * time.Millisecond
		w.Order(Order{Open: 3})
		if _, err := w.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
}
