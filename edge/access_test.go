package edge

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/gateway"
)

// chatWithModel is chatAPI with a model for say: numbers, at least 0.
func chatWithModel(api *gateway.API) {
	api.Models = map[string]*gateway.Model{"Say": {Schema: json.RawMessage(`{"properties":{"n":{"type":"number","minimum":0}}}`)}}
	api.Routes["say"].RequestModels = map[string]string{"$default": "Say"}
}

// Models take memory while they run: as many run at once as there are slots, and the others wait.
func TestValidationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := hotSocket(t)
		s, p := k.server, compileChat(t, chatAPI(chatWithModel))
		for range cap(s.validations) {
			s.validations <- struct{}{}
		}
		validate := func(route gateway.RouteKey) <-chan error {
			ended := make(chan error, 1)
			m := arrival{
				socket: k, program: p, in: inbound{payload: []byte(`{"action":"say","n":1}`)}, start: s.now(), beside: true,
			}
			go func() { ended <- s.admitMessage(m, p.Route(route)) }()
			synctest.Wait()
			return ended
		}
		waiting := validate("say")
		select {
		case err := <-waiting:
			t.Errorf("one more than there are slots was validated: %v", err)
		case err := <-validate("ask"):
			if err != nil {
				t.Errorf("a route without models: %v", err)
			}
		}
		<-s.validations
		if err := <-waiting; err != nil {
			t.Error(err)
		}
		if n := len(s.validations); n != cap(s.validations)-1 {
			t.Errorf("%d slots are taken, want %d", n, cap(s.validations)-1)
		}
	})
}

// The message that once ended the process.
func TestNumbersOutOfRangeAreRefused(t *testing.T) {
	w := newWorld(t, chatAPI(chatWithModel))
	c := w.connect()
	c.say(`{"action":"say","n":1e9999999}`)
	if _, b := c.read(); !strings.HasPrefix(string(b), `{"message": "Bad request body"`) {
		t.Errorf("the client got %s", b)
	}
	c.say(`{"action":"say","n":1}`)
	if got := w.sender.next(t, "say"); got.Connection != c.id {
		t.Errorf("the event is of %s", got.Connection)
	}
}
