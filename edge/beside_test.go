package edge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// A large message that has to be judged keeps only its own connection waiting, and its messages in order.
func TestLargeMessagesAreJudgedBeside(t *testing.T) {
	w := newWorld(t, chatAPI(chatWithModel))
	slow, quick := w.connect(), w.connect()
	for range cap(w.validations) {
		w.validations <- struct{}{}
	}
	large := fmt.Sprintf(`{"action":"say","n":1,"text":"%s"}`, strings.Repeat("x", 8<<10))
	slow.say(large)
	slow.say(`{"action":"say","n":2}`)
	slow.say(strings.Replace(large, `"n":1`, `"n":-1`, 1))
	quick.say(`{"action":"say","n":3}`)
	if ev := w.sender.next(t, "say"); ev.Connection != quick.id {
		t.Errorf("the first message is of %s, want %s", ev.Connection, quick.id)
	}
	for range cap(w.validations) {
		<-w.validations
	}
	for _, want := range []string{`"n":1`, `"n":2`} {
		if ev := w.sender.next(t, "say"); ev.Connection != slow.id || !strings.Contains(string(ev.Body), want) {
			t.Errorf("got %.40s of %s, want %s", ev.Body, ev.Connection, want)
		}
	}
	if _, b := slow.read(); !strings.HasPrefix(string(b), `{"message": "Bad request body"`) {
		t.Errorf("the client got %s", b)
	}
}

// What a route refuses does not use up the stage for the other routes.
func TestRouteBucketComesBeforeTheStages(t *testing.T) {
	k, _ := hotSocket(t)
	s := k.server
	p := compileChat(t, chatAPI(func(api *gateway.API) {
		api.Stages = map[gateway.StageName]*gateway.Stage{"dev": {Throttle: &gateway.Throttle{RateLimit: 0.001, BurstLimit: 10}}}
	}))
	narrow, now := &gateway.Throttle{RateLimit: 0.001, BurstLimit: 1}, time.Now()
	for range 50 {
		_ = s.throttle(p, "ask", narrow, now)
	}
	for i := range 9 {
		if err := s.throttle(p, "say", nil, now); err != nil {
			t.Fatalf("message %d of another route: %v", i, err)
		}
	}
	if err := s.throttle(p, "say", nil, now); gateway.ErrorCode(err) != gateway.CodeThrottled {
		t.Errorf("the stage's bucket has more than its burst: %v", err)
	}
}

func TestSamePrincipal(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{`{"principalId":"ann","iss":"x"}`, `{"principalId":"ann","iss":"x"}`, true},
		{`{"principalId":"ann"}`, `{"principalId":"ann"}`, true},
		{`{"principalId":"ann","iss":"x"}`, `{"principalId":"bob","iss":"x"}`, false},
		{`{"principalId":"ann","iss":"x"}`, `{"principalId":"ann","iss":"y"}`, false},
		{`{"iss":"x"}`, `{"iss":"x"}`, false}, // tokens of programs, which name nobody
		{``, ``, false},
	} {
		if got := samePrincipal([]byte(test.a), []byte(test.b)); got != test.want {
			t.Errorf("%s and %s: got %t", test.a, test.b, got)
		}
	}
}

// Listings and GET show who is there, not what they showed at the door.
func TestStatusShowsNoSecrets(t *testing.T) {
	k, _ := hotSocket(t)
	k.conn.Caller = &gateway.Caller{APIKey: "secret", APIKeyID: "partner"}
	k.conn.Handshake = &gateway.Handshake{Header: gateway.Header{"Authorization": {"secret"}}, Query: "token=secret"}
	got := k.status()
	if got.Handshake != nil || got.Caller.APIKey != "" || got.Caller.APIKeyID != "partner" {
		t.Errorf("got %+v, caller %+v", got, got.Caller)
	}
	if k.conn.Caller.APIKey != "secret" || k.conn.Handshake == nil {
		t.Error("the connection itself was changed")
	}
}
