package natskv

import (
	"context"
	"strings"
	"testing"

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
