package control

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
)

// morgue holds dead letters in memory.
type morgue struct {
	mu       sync.Mutex
	letters  []bus.DeadLetter
	replayed []uint64
}

func (m *morgue) DeadLetters(_ context.Context, f bus.DeadFilter, after uint64, limit int) (page []bus.DeadLetter, next uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l.ID <= after || f.API != "" && f.API != l.API || f.Stage != "" && f.Stage != l.Stage || f.Route != "" && f.Route != l.Route {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].ID, nil
		}
		page = append(page, l)
	}
	return page, 0, nil
}

func (m *morgue) DeadLetter(_ context.Context, id uint64) (bus.DeadLetter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l.ID == id {
			return l, nil
		}
	}
	return bus.DeadLetter{}, gateway.Errorf(gateway.CodeNotFound, "there is no dead letter %d", id)
}

func (m *morgue) Replay(ctx context.Context, id uint64) error {
	if err := m.Remove(ctx, id); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replayed = append(m.replayed, id)
	return nil
}

func (m *morgue) Remove(_ context.Context, id uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = slices.DeleteFunc(m.letters, func(l bus.DeadLetter) bool { return l.ID == id })
	return nil
}

var diedAt = time.Date(2026, 11, 24, 16, 2, 11, 0, time.UTC)

func newMorgue() *morgue {
	return &morgue{letters: []bus.DeadLetter{
		{
			ID: 3, API: "shop", Stage: "dev", Route: "order", Message: "m3", Connection: testID, Code: gateway.CodeIntegration, Reason: "no", Attempts: 5,
			StoredAt: diedAt.Add(-time.Hour), BuriedAt: diedAt, Context: `{"messageId":"m3"}`, Body: []byte("three"),
		},
		{ID: 7, API: "chat", Stage: "dev", Route: "say", Message: "m7", Code: gateway.CodeTimeout, Attempts: 1, BuriedAt: diedAt, Body: []byte{0xff}, Binary: true},
	}}
}

func TestDeadLetters(t *testing.T) {
	m := newMorgue()
	client := start(t, Config{Access: AccessOpen, DeadLetters: m}).client(t)
	var got []DeadLetter
	if err := client.DeadLetters(t.Context(), DeadLetterFilter{}, func(l DeadLetter) bool { got = append(got, l); return true }); err != nil {
		t.Fatal(err)
	}
	three := DeadLetter{
		ID: 3, API: "shop", Stage: "dev", Route: "order", MessageID: "m3", ConnectionID: testID, Code: gateway.CodeIntegration, Reason: "no", Attempts: 5,
		StoredAt: diedAt.Add(-time.Hour), DeadAt: diedAt, Bytes: 5,
	}
	seven := DeadLetter{ID: 7, API: "chat", Stage: "dev", Route: "say", MessageID: "m7", Code: gateway.CodeTimeout, Attempts: 1, DeadAt: diedAt, Bytes: 1}
	if diff := cmp.Diff([]DeadLetter{three, seven}, got); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
	for _, f := range []DeadLetterFilter{{API: "shop"}, {Route: "order"}} {
		got = nil
		if err := client.DeadLetters(t.Context(), f, func(l DeadLetter) bool { got = append(got, l); return true }); err != nil || len(got) != 1 || got[0].ID != 3 {
			t.Errorf("%+v chooses %+v, %v", f, got, err)
		}
	}

	shown, err := client.DeadLetter(t.Context(), "", 3)
	body := "three"
	three.Body, three.Context = &body, []byte(`{"messageId":"m3"}`)
	if diff := cmp.Diff(three, shown); err != nil || diff != "" {
		t.Errorf("shown (-want +got):\n%s%v", diff, err)
	}
	if shown, err = client.DeadLetter(t.Context(), "chat", 7); err != nil || !shown.IsBase64Encoded || *shown.Body != "/w==" {
		t.Errorf("a binary one is %+v, %v", shown, err)
	}
	if _, err = client.DeadLetter(t.Context(), "shop", 7); gateway.ErrorCode(err) != gateway.CodeNotFound {
		t.Errorf("another API's: %v", err)
	}
	if err := client.ReplayDeadLetter(t.Context(), "", 3); err != nil || !slices.Equal(m.replayed, []uint64{3}) {
		t.Errorf("replay: %v, %v", err, m.replayed)
	}
	if err := client.DeleteDeadLetter(t.Context(), "chat", 7); err != nil || len(m.letters) != 0 {
		t.Errorf("delete: %v, left %v", err, m.letters)
	}
	if err := client.ReplayDeadLetter(t.Context(), "", 3); gateway.ErrorCode(err) != gateway.CodeNotFound {
		t.Errorf("replay of what is gone: %v", err)
	}
}

// A list goes on over its pages.
func TestDeadLetterPages(t *testing.T) {
	m := &morgue{}
	const all = letterPage*2 + 1
	for id := range uint64(all) {
		m.letters = append(m.letters, bus.DeadLetter{ID: id + 1, API: "shop"})
	}
	client := start(t, Config{Access: AccessOpen, DeadLetters: m}).client(t)
	seen := uint64(0)
	if err := client.DeadLetters(t.Context(), DeadLetterFilter{}, func(l DeadLetter) bool {
		seen++
		return l.ID == seen
	}); err != nil || seen != all {
		t.Errorf("%d of %d were listed, %v", seen, all, err)
	}
}

func TestDeadLetterRequests(t *testing.T) {
	r := start(t, Config{Access: AccessOpen, DeadLetters: newMorgue()})
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v1/dead-letters?after=x", 400},
		{"GET", "/v1/dead-letters?colour=red", 400},
		{"GET", "/v1/dead-letters/x", 404},
		{"GET", "/v1/dead-letters/", 404},
		{"GET", "/v1/dead-letters/3/burn", 404},
		{"GET", "/v1/dead-letters/3/replay", 405},
		{"POST", "/v1/dead-letters/3", 405},
		{"POST", "/v1/dead-letters//replay", 404},
		{"DELETE", "/v1/dead-letters/99", 404},
		{"GET", "/v1/dead-letters/3?api=shop", 200},
	} {
		if status, body, _ := r.ask(t, c.method, c.path); status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.status)
		}
	}
	if status, _, _ := start(t, Config{Access: AccessOpen}).ask(t, "GET", "/v1/dead-letters"); status != http.StatusNotFound {
		t.Errorf("without a store: %d", status)
	}
}

// A key that is limited to an API sees and touches that API's dead letters alone.
func TestDeadLettersOfOneAPI(t *testing.T) {
	keys := newKeyring(accesskeys.Key{ID: "CHAT", Secret: "chat secret", APIs: []gateway.APIID{"chat"}})
	client := start(t, Config{Keys: keys, DeadLetters: newMorgue()}).clientAs(t, "CHAT", "chat secret")
	yes := func(DeadLetter) bool { return true }
	if err := client.DeadLetters(t.Context(), DeadLetterFilter{API: "chat"}, yes); err != nil {
		t.Error(err)
	}
	if _, err := client.DeadLetter(t.Context(), "chat", 7); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"all":            client.DeadLetters(t.Context(), DeadLetterFilter{}, yes),
		"another's list": client.DeadLetters(t.Context(), DeadLetterFilter{API: "shop"}, yes),
		"another's":      client.DeleteDeadLetter(t.Context(), "shop", 3),
		"unnamed":        client.ReplayDeadLetter(t.Context(), "", 7),
	} {
		if gateway.ErrorCode(err) != gateway.CodeForbidden || !strings.Contains(err.Error(), "is not authorized") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := client.DeleteDeadLetter(t.Context(), "chat", 3); gateway.ErrorCode(err) != gateway.CodeNotFound {
		t.Errorf("another's under its own name: %v", err)
	}
}
