package natskv

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// TestNodes: who is registered and listens is asked, whose process is gone is not, and who answers junk has a fault.
func TestNodes(t *testing.T) {
	conn := connect(t, startNATS(t))
	nodes, err := OpenNodes(t.Context(), NodesConfig{Conn: conn, Prefix: "p"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"well", "gone", "junk"} {
		if err := nodes.Register(t.Context(), deployment.Node{Version: deployment.Version, Node: name, Instance: name + ".1", Roles: []string{"edge"}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, answer := range map[string]string{"well": `{"version":1,"node":"well"}`, "junk": "junk"} {
		server, err := bus.ServeNode(bus.NodeConfig{
			Conn: conn, Subjects: bus.Subjects{Prefix: "p"}, Instance: name + ".1",
			Handler: func(_ context.Context, question []byte) []byte {
				if q, err := deployment.Decode[deployment.Question](question); err != nil || q.Step != deployment.StepLive {
					t.Errorf("asked %s, %v", question, err)
				}
				return []byte(answer)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
	}
	answers, err := nodes.Ask(t.Context(), &deployment.Question{Version: deployment.Version, Step: deployment.StepLive, Revision: 1})
	if err != nil || len(answers) != 2 {
		t.Fatalf("answers: %+v, %v", answers, err)
	}
	for _, a := range answers {
		if a.Node == "well" && len(a.Faults) > 0 || a.Node == "junk" && (len(a.Faults) != 1 || !strings.Contains(a.Faults[0].Problem, "no answer")) {
			t.Errorf("%+v", a)
		}
	}
	// Who leaves in order is not waited for.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	nodes.Beat(ctx, deployment.Node{Instance: "junk.1"})
	if answers, err = nodes.Ask(t.Context(), &deployment.Question{Version: deployment.Version, Step: deployment.StepLive, Revision: 1}); err != nil || len(answers) != 1 {
		t.Errorf("after one left: %+v, %v", answers, err)
	}
}

// TestAskAgain: a node for which nobody listens at the moment of the question is asked again, and is gone only after that.
func TestAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		reply, err := askAgain(t.Context(), func() ([]byte, error) {
			if asked++; asked < goneAsks {
				return nil, bus.ErrNodeGone
			}
			return []byte("yes"), nil
		})
		if err != nil || string(reply) != "yes" || asked != goneAsks {
			t.Errorf("a node that comes back: %q, %v, asked %d times", reply, err, asked)
		}
		began := time.Now()
		gone := func() ([]byte, error) { return nil, bus.ErrNodeGone }
		if _, err := askAgain(t.Context(), gone); !errors.Is(err, bus.ErrNodeGone) || time.Since(began) != (goneAsks-1)*gonePause {
			t.Errorf("a node that is gone: %v after %s", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), gonePause/2)
		defer cancel()
		if _, err := askAgain(ctx, gone); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no time to ask again: %v", err)
		}
		asked = 0
		silent := errors.New("no answer")
		if _, err := askAgain(t.Context(), func() ([]byte, error) { asked++; return nil, silent }); err != silent || asked != 1 {
			t.Errorf("a node that is silent: %v, asked %d times", err, asked)
		}
	})
}
