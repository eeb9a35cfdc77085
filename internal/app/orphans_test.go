package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// briefClaim is a take-over that is held until a moment.
type briefClaim struct {
	until time.Time
}

func (c briefClaim) Held() bool { return time.Now().Before(c.until) }

func (c briefClaim) Done(context.Context) error {
	return errors.New("done without having told of anything")
}

// A process that comes back without an incarnation of its own, as after a cut, does not go on with a take-over that went
// to another meanwhile.
func TestSettleEndsWhenTheTakeOverIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := &process{edge: &edgeSlot{}, logger: slog.New(slog.NewTextHandler(&log, nil))}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		left := []gateway.Connection{{ID: gateway.NewConnectionID("OLDE")}}
		p.settle(ctx, connstore.NewOrphans("OLDE", left, 0, briefClaim{began.Add(10 * reopenPause)}))
		if took := time.Since(began); took != 10*reopenPause {
			t.Errorf("it ended after %s", took)
		}
		if !strings.Contains(log.String(), "a take-over was lost") {
			t.Errorf("the log says %s", log.String())
		}
	})
}
