package edge

import (
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// Held messages are bounded, empty ones too, and of the right API alone.
func TestHolding(t *testing.T) {
	h := newHolding()
	id := gateway.NewConnectionID(gateway.NewEdgeID())
	held := &heldPushes{ref: gateway.ConnectionRef{API: "chat", Stage: "dev", ID: id}, limits: gateway.Limits{SendQueueBytes: 1024, MaxMessageBytes: 100}}
	h.under[id] = held
	if _, ok, _ := h.add(gateway.ConnectionRef{API: "other", ID: id}, gateway.Push{}); ok {
		t.Error("a push for another API is held")
	}
	if _, ok, err := h.add(gateway.ConnectionRef{ID: id}, gateway.Push{Body: make([]byte, 101)}); !ok || gateway.ErrorCode(err) != gateway.CodeTooLarge {
		t.Errorf("a message over the limit: %t %v", ok, err)
	}
	taken := 0
	for ; taken < 1024; taken++ {
		if _, _, err := h.add(gateway.ConnectionRef{ID: id}, gateway.Push{}); err != nil {
			if gateway.ErrorCode(err) != gateway.CodeSlowClient {
				t.Errorf("a full queue says %v", err)
			}
			break
		}
	}
	if taken != 1024/heldOverhead {
		t.Errorf("%d empty messages are held", taken)
	}
	if got := len(h.drop(held)); got != taken {
		t.Errorf("%d are delivered", got)
	}
	if _, ok, _ := h.add(gateway.ConnectionRef{ID: id}, gateway.Push{}); ok {
		t.Error("a push is held for a connection that is open")
	}
}
