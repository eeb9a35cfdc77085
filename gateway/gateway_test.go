package gateway

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestConnectionIDsHaveAmazonsForm(t *testing.T) {
	edge := NewEdgeID()
	if !edge.Valid() {
		t.Fatalf("edge id %q is not valid", edge)
	}
	seen := map[ConnectionID]bool{}
	for range 1000 {
		id := NewConnectionID(edge)
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
		if _, err := ParseConnectionID(string(id)); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if raw, err := base64.URLEncoding.DecodeString(string(id)); err != nil || len(raw) != 11 {
			t.Fatalf("%s decodes to %d bytes, %v; Amazon's have 11", id, len(raw), err)
		}
		if id.Edge() != edge {
			t.Fatalf("%s belongs to %q, want %q", id, id.Edge(), edge)
		}
	}
}

func TestRequestIDsComeInPairs(t *testing.T) {
	seen := map[RequestID]bool{}
	for range 1000 {
		one, two := NewRequestIDs()
		for _, id := range []RequestID{one, two, NewRequestID()} {
			if raw, err := base64.URLEncoding.DecodeString(string(id)); err != nil || len(raw) != 11 || seen[id] {
				t.Fatalf("%s decodes to %d bytes, %v; seen before: %t", id, len(raw), err, seen[id])
			}
			seen[id] = true
		}
	}
}

func TestMalformedIDs(t *testing.T) {
	for _, s := range []string{"", "undefined", "test-connection-123", "AbCdEfGhIjKlMnO", "AbCdEfGhIjKlMnOp", "AbCdEfGhIjKlM.O=", "AbCdEfGhIjKlMnO=\n", "AbCdEfGhIjKlMnOpQ=", "AbCd=fGhIjKlMnO="} {
		if _, err := ParseConnectionID(s); !errors.Is(err, ErrMalformedID) {
			t.Errorf("%q: %v, want ErrMalformedID", s, err)
		}
	}
	if ConnectionID("abc").Edge() != "" {
		t.Error("an id of three characters names an edge")
	}
}

func TestHeaderIgnoresCaseButKeepsIt(t *testing.T) {
	h := Header{"x-a": {"1"}, "X-A": {"2"}}
	h.Add("Cookie", "c=1")
	h.Add("Cookie", "c=2")
	if got := h.Get("X-A"); got != "2" {
		t.Errorf("the exact name gave %q", got)
	}
	if got := h.Get("cookie"); got != "c=1" {
		t.Errorf("another case gave %q", got)
	}
	h.Set("X-a", "3")
	if len(h) != 2 || h.Get("x-A") != "3" {
		t.Errorf("Set left %v", h)
	}
	h.Del("COOKIE")
	if h.Get("Cookie") != "" {
		t.Error("Del left the header")
	}
}

func TestErrorShowsItsCauseToTheLogAlone(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.1:80: refused")
	err := fmt.Errorf("invoke: %w", Errorf(CodeUnavailable, "Service %s", "Unavailable").Because(cause))
	if ErrorCode(err) != CodeUnavailable || !errors.Is(err, cause) {
		t.Errorf("code %s, cause lost: %v", ErrorCode(err), err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Message != "Service Unavailable" {
		t.Errorf("public message %q", e.Message)
	}
	if ErrorCode(nil) != "" || ErrorCode(cause) != CodeInternal {
		t.Error("nil has no code, a stranger is internal")
	}
	if !CodeGone.Known() || Code("made_up").Known() {
		t.Error("Known knows the wrong codes")
	}
}

func TestLimits(t *testing.T) {
	aws := Profile(ProfileAWS, ProtocolWebSocket)
	if aws.MaxFrameBytes != 32768 || aws.MaxMessageBytes != 131072 || aws.IdleTimeout != 10*time.Minute || aws.MaxConnection != 2*time.Hour || aws.Binary != BinaryRefuse || aws.Integration != 29*time.Second {
		t.Errorf("the aws profile is not contract/websocket-api.md §11: %+v", aws)
	}
	if got := Profile(ProfileAWS, ProtocolHTTP).Integration; got != 30*time.Second {
		t.Errorf("HTTP APIs get %s, want 30s (contract/http-api.md §1.10)", got)
	}
	var none *LimitSettings
	if none.Resolve(ProtocolWebSocket) != Profile(ProfileDefault, ProtocolWebSocket) {
		t.Error("no settings are not the default profile")
	}
	idle, message := 30, 0
	got := (&LimitSettings{Profile: ProfileAWS, IdleTimeoutSeconds: &idle, MaxMessageBytes: &message}).Resolve(ProtocolWebSocket)
	if got.IdleTimeout != 30*time.Second || got.MaxMessageBytes != 0 || got.MaxFrameBytes != 32768 {
		t.Errorf("settings did not change their own figures alone: %+v", got)
	}
}

func TestWhoRunsAnIntegration(t *testing.T) {
	native, elsewhere := &Integration{Type: IntegrationNATS}, &Integration{Type: IntegrationNATS, Subject: "orders.create"}
	if native.RunByWorker() || !elsewhere.RunByWorker() || !(&Integration{Type: IntegrationMock}).RunByWorker() {
		t.Error("only NATS integrations without a subject belong to the route's subscribers")
	}
}

// TestEveryLimitHasItsRange notices a number of LimitSettings that Figures forgot or gave another's value.
func TestEveryLimitHasItsRange(t *testing.T) {
	var s LimitSettings
	want := map[string]*int{}
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Type() == reflect.TypeFor[*int]() {
			key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			f.Set(reflect.ValueOf(new(int)))
			want[key] = f.Interface().(*int)
		}
	}
	for _, f := range s.Figures(ProtocolWebSocket) {
		if want[f.Key] == nil || want[f.Key] != f.Value || f.Min <= 0 || f.Max < f.Min {
			t.Errorf("%+v is not the figure of its key", f)
		}
		delete(want, f.Key)
	}
	if len(want) > 0 {
		t.Errorf("no range for %v", want)
	}
}

func TestLongestIntegration(t *testing.T) {
	aws := &LimitSettings{Profile: ProfileAWS}
	for _, test := range []struct {
		settings *LimitSettings
		protocol Protocol
		want     int
	}{
		{nil, ProtocolHTTP, 900_000}, {&LimitSettings{}, ProtocolWebSocket, 900_000},
		{aws, ProtocolWebSocket, 29_000}, {aws, ProtocolHTTP, 30_000},
	} {
		if got := test.settings.MaxIntegrationMillis(test.protocol); got != test.want {
			t.Errorf("%+v, %s: %d, want %d", test.settings, test.protocol, got, test.want)
		}
	}
}

func TestReservedAPIIDs(t *testing.T) {
	for _, id := range []APIID{"healthz", "metrics", "v1", "v2", "restapis", "portal"} {
		if !id.Reserved() || !id.Valid() {
			t.Errorf("%s could be an API's", id)
		}
	}
	if APIID("chat").Reserved() {
		t.Error("chat is reserved")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"apiId", "name", "protocolType", "limits", "maxInFlight", "allowOrigins", "integrations", "routes"}
	for word, want := range map[string]string{
		"nam": "name", "Name": "name", "naem": "name", "route": "routes", "apiID": "apiId", "protocol": "protocolType",
		"limit": "limits", "maxInflight": "maxInFlight", "allow_origins": "allowOrigins", "x": "", "": "",
		"authorizers": "", "cors": "", strings.Repeat("name", 100): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := Nearest("HTTP", []string{"LAMBDA", "HTTP_PROXY"}); got != "HTTP_PROXY" {
		t.Errorf("HTTP: %q", got)
	}
}
