package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// connectionsLog is a scripted gateway.Connections that remembers its calls as text.
type connectionsLog struct {
	err    error
	status gateway.ConnectionStatus
	calls  []string
}

func (c *connectionsLog) Post(_ context.Context, ref gateway.ConnectionRef, p gateway.Push) error {
	c.calls = append(c.calls, fmt.Sprintf("post %s %s %s %q %v", ref.API, ref.Stage, ref.ID, p.Body, p.Binary))
	return c.err
}

func (c *connectionsLog) Get(_ context.Context, ref gateway.ConnectionRef) (gateway.ConnectionStatus, error) {
	c.calls = append(c.calls, fmt.Sprintf("get %s %s %s", ref.API, ref.Stage, ref.ID))
	return c.status, c.err
}

func (c *connectionsLog) Delete(_ context.Context, ref gateway.ConnectionRef, cl gateway.Close) error {
	c.calls = append(c.calls, fmt.Sprintf("delete %s %s %s %d %q", ref.API, ref.Stage, ref.ID, cl.Code, cl.Reason))
	return c.err
}

// callbackWorld is an edge with one connection of its own and one of another edge.
type callbackWorld struct {
	cfg           callbacksConfig
	here, there   *connectionsLog
	local, remote gateway.ConnectionID
	seen          recorder
	leases        []gateway.EdgeID
	leased        bool
	leaseErr      error
}

const maxPushed = 100

func newCallbackWorld(t *testing.T) *callbackWorld {
	maxMessage := maxPushed
	w := &callbackWorld{here: &connectionsLog{}, there: &connectionsLog{}, local: "AAAAbbbbbbbbbbb=", remote: "BBBBbbbbbbbbbbb="}
	w.cfg = callbacksConfig{
		Live:  liveTable(compileWS(t, "chat", "dev", &gateway.LimitSettings{MaxMessageBytes: &maxMessage})),
		Edge:  "AAAA",
		Local: w.here, Remote: w.there, Policy: CallbacksOpen, Observe: w.seen.observe,
		Lease: func(_ context.Context, e gateway.EdgeID) (bool, error) {
			w.leases = append(w.leases, e)
			return w.leased, w.leaseErr
		},
	}
	return w
}

type callbackResult struct {
	Status    int
	ErrorType string
	Body      string
}

func (w *callbackWorld) do(t *testing.T, r *http.Request) callbackResult {
	t.Helper()
	rec := httptest.NewRecorder()
	newCallbacks(w.cfg).ServeHTTP(rec, r)
	res := rec.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if id := asWritten(res.Header, "x-amzn-RequestId"); len(id) != 1 || len(id[0]) != 36 {
		t.Errorf("x-amzn-RequestId %q", id)
	}
	if length := res.Header.Get("Content-Length"); res.StatusCode != 204 && length != fmt.Sprint(len(body)) {
		t.Errorf("Content-Length %q for %q", length, body)
	}
	if isJSON := res.Header.Get("Content-Type") == "application/json"; isJSON != (len(body) > 0) {
		t.Errorf("Content-Type %q for %q", res.Header.Get("Content-Type"), body)
	}
	return callbackResult{res.StatusCode, strings.Join(asWritten(res.Header, "x-amzn-ErrorType"), ","), string(body)}
}

func TestCallbackCalls(t *testing.T) {
	world := newCallbackWorld(t)
	world.here.status = gateway.ConnectionStatus{
		Connection:   gateway.Connection{SourceIP: "192.0.2.1", ConnectedAt: time.UnixMilli(1738547193523)},
		LastActiveAt: time.UnixMilli(1738547196076).In(time.FixedZone("x", 3600)),
	}
	escaped := url.PathEscape(string(world.local))
	for _, test := range []struct {
		method, path, body string
		header             http.Header
		want               callbackResult
		call               string
	}{
		{"POST", "/chat/dev/@connections/" + string(world.local), "hi ü", nil, callbackResult{Status: 200},
			`post chat dev AAAAbbbbbbbbbbb= "hi ü" false`},
		{"POST", "/dev/%40connections/" + strings.ReplaceAll(escaped, "=", "%3D"), "", http.Header{"Content-Type": {"application/octet-stream"}},
			callbackResult{Status: 200}, `post  dev AAAAbbbbbbbbbbb= "" false`},
		{"POST", "/@connections/" + string(world.local), "\xff\x00", http.Header{"Sallyport-Opcode": {"BINARY"}}, callbackResult{Status: 200},
			`post   AAAAbbbbbbbbbbb= "\xff\x00" true`},
		{"GET", "/chat/dev/@connections/" + string(world.local), "", nil, callbackResult{Status: 200,
			Body: `{"connectedAt":"2025-02-03T01:46:33.523Z","identity":{"sourceIp":"192.0.2.1","userAgent":null},"lastActiveAt":"2025-02-03T01:46:36.076Z"}`},
			`get chat dev AAAAbbbbbbbbbbb=`},
		{"DELETE", "/chat/dev/@connections/" + string(world.local), "", nil, callbackResult{Status: 204}, `delete chat dev AAAAbbbbbbbbbbb= 0 ""`},
		{"DELETE", "/chat/dev/@connections/" + string(world.local), "", http.Header{"Sallyport-Close-Code": {"4001"}, "Sallyport-Close-Reason": {"bye"}},
			callbackResult{Status: 204}, `delete chat dev AAAAbbbbbbbbbbb= 4001 "bye"`},
	} {
		world.here.calls = nil
		r := httptest.NewRequest(test.method, "http://any"+test.path, strings.NewReader(test.body))
		for name, v := range test.header {
			r.Header[name] = v
		}
		if diff := cmp.Diff(test.want, world.do(t, r)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.method, test.path, diff)
		}
		if diff := cmp.Diff([]string{test.call}, world.here.calls); diff != "" {
			t.Errorf("%s %s: calls\n%s", test.method, test.path, diff)
		}
	}
	if len(world.there.calls) > 0 || len(world.seen.records) > 0 {
		t.Errorf("the other edge got %q, records %v; the owner tells of its own", world.there.calls, world.seen.records)
	}
	world.here.status.UserAgent = "curl/8"
	got := world.do(t, httptest.NewRequest("GET", "http://any/@connections/"+string(world.local), nil))
	if !strings.Contains(got.Body, `"userAgent":"curl/8"`) {
		t.Errorf("body %s", got.Body)
	}
}

// TestCallbackErrors is the table of contract/websocket-api.md §9.2.
func TestCallbackErrors(t *testing.T) {
	gone := callbackResult{410, "GoneException", ""}
	unavailable := callbackResult{503, "ServiceUnavailableException", `{"message":"Service Unavailable"}`}
	for _, test := range []struct {
		name, method, path, body string
		err                      error // of both connections
		want                     callbackResult
	}{
		{"malformed id", "POST", "/chat/dev/@connections/test-connection-123", "x", nil,
			callbackResult{400, "BadRequestException", `{"message":"Invalid connectionId: test-connection-123"}`}},
		{"malformed id with markup", "GET", "/chat/dev/@connections/%22%3Cb%3E", "", nil,
			callbackResult{400, "BadRequestException", `{"message":"Invalid connectionId: \"<b>"}`}},
		{"unknown API", "POST", "/nobody/dev/@connections/AAAAbbbbbbbbbbb=", "x", nil, callbackResult{403, "ForbiddenException", `{"message":"Forbidden"}`}},
		{"unknown stage", "POST", "/chat/prod/@connections/AAAAbbbbbbbbbbb=", "x", nil, callbackResult{403, "ForbiddenException", `{"message":"Forbidden"}`}},
		{"other method", "PUT", "/chat/dev/@connections/AAAAbbbbbbbbbbb=", "x", nil, callbackResult{403, "ForbiddenException", `{"message":"Forbidden"}`}},
		{"no callback", "POST", "/chat/dev/x", "x", nil,
			callbackResult{404, "NotFoundException", `{"message":"No method found matching route chat/dev/x for http method POST."}`}},
		{"gone", "POST", "/chat/dev/@connections/AAAAbbbbbbbbbbb=", "x", gateway.Errorf(gateway.CodeGone, "gone"), gone},
		{"gone elsewhere", "GET", "/chat/dev/@connections/BBBBbbbbbbbbbbb=", "", gateway.Errorf(gateway.CodeGone, "gone"), gone},
		{"slow client", "POST", "/chat/dev/@connections/AAAAbbbbbbbbbbb=", "x", gateway.Errorf(gateway.CodeSlowClient, "full"),
			callbackResult{429, "LimitExceededException", ""}},
		{"too large", "POST", "/chat/dev/@connections/AAAAbbbbbbbbbbb=", strings.Repeat("x", maxPushed+1), nil,
			callbackResult{413, "PayloadTooLargeException", `{"message":"Request Entity Too Large"}`}},
		{"too large for the owner", "POST", "/@connections/AAAAbbbbbbbbbbb=", strings.Repeat("x", maxPushed+1),
			gateway.Errorf(gateway.CodeTooLarge, "longer than 100 bytes"), callbackResult{413, "PayloadTooLargeException", `{"message":"longer than 100 bytes"}`}},
		{"not UTF-8", "POST", "/chat/dev/@connections/AAAAbbbbbbbbbbb=", "\xff", nil, callbackResult{400, "BadRequestException",
			`{"message":"The message is not UTF-8 text; send the header Sallyport-Opcode: binary for a binary frame"}`}},
		{"timed out", "POST", "/chat/dev/@connections/BBBBbbbbbbbbbbb=", "x", gateway.Errorf(gateway.CodeTimeout, "late"), unavailable},
		{"unknown error", "GET", "/chat/dev/@connections/AAAAbbbbbbbbbbb=", "", errors.New("secret"),
			callbackResult{500, "InternalServerErrorException", `{"message":"Internal server error"}`}},
		{"bad close code", "DELETE", "/chat/dev/@connections/AAAAbbbbbbbbbbb=", "", gateway.Errorf(gateway.CodeBadRequest, "7 is no close code"),
			callbackResult{400, "BadRequestException", `{"message":"7 is no close code"}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			world := newCallbackWorld(t)
			world.here.err, world.there.err = test.err, test.err
			got := world.do(t, httptest.NewRequest(test.method, "http://any"+test.path, strings.NewReader(test.body)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if test.err == nil && len(world.here.calls)+len(world.there.calls) > 0 {
				t.Errorf("called %q %q", world.here.calls, world.there.calls)
			}
			if len(world.leases) > 0 {
				t.Errorf("asked for leases of %q", world.leases)
			}
		})
	}
}

// TestSilentEdge: what an owner's silence means is decided by its lease (DESIGN §3.4).
func TestSilentEdge(t *testing.T) {
	for _, test := range []struct {
		name   string
		leased bool
		err    error
		status int
	}{{"leased", true, nil, 503}, {"no lease", false, nil, 410}, {"unknown", false, errors.New("no JetStream"), 503}} {
		t.Run(test.name, func(t *testing.T) {
			world := newCallbackWorld(t)
			world.leased, world.leaseErr = test.leased, test.err
			world.there.err = gateway.Errorf(gateway.CodeUnavailable, "no responders")
			got := world.do(t, httptest.NewRequest("POST", "http://any/chat/dev/@connections/"+string(world.remote), strings.NewReader("x")))
			if got.Status != test.status {
				t.Errorf("got %+v", got)
			}
			if diff := cmp.Diff([]gateway.EdgeID{"BBBB"}, world.leases); diff != "" {
				t.Error(diff)
			}
			if record := world.seen.one(t); record.Kind != event.KindCallback || record.Status != test.status || record.Connection != world.remote || record.Method != "POST" {
				t.Errorf("record %+v", record)
			}
		})
	}
}

// An owner tells and counts its own callbacks, also that a connection is gone. Where no owner is left, we do.
func TestGoneIsToldOnce(t *testing.T) {
	gone := gateway.Errorf(gateway.CodeGone, "gone")
	for _, test := range []struct {
		err  error
		told int
	}{{gone, 0}, {gone.Because(bus.ErrNoResponders), 1}} {
		world := newCallbackWorld(t)
		world.there.err = test.err
		got := world.do(t, httptest.NewRequest("POST", "http://any/chat/dev/@connections/"+string(world.remote), strings.NewReader("x")))
		if got.Status != 410 || len(world.seen.records) != test.told {
			t.Errorf("%v: %+v, told %v", test.err, got, world.seen.records)
		}
	}
}

func TestUnreachableLocalEdgeIsNotALeaseQuestion(t *testing.T) {
	world := newCallbackWorld(t)
	world.here.err = gateway.Errorf(gateway.CodeUnavailable, "draining")
	if got := world.do(t, httptest.NewRequest("GET", "http://any/@connections/"+string(world.local), nil)); got.Status != 503 || len(world.leases) > 0 {
		t.Errorf("got %+v, leases %q", got, world.leases)
	}
}

func TestRefusedPolicy(t *testing.T) {
	world := newCallbackWorld(t)
	world.cfg.Policy = CallbacksRefused
	var unowned []event.Record
	world.cfg.Metrics.Unowned = func(_ context.Context, r event.Record) { unowned = append(unowned, r) }
	got := world.do(t, httptest.NewRequest("POST", "http://any/chat/dev/@connections/"+string(world.local), strings.NewReader("x")))
	if got.Status != 403 || got.ErrorType != "ForbiddenException" || !strings.Contains(got.Body, "NATS subject") || len(world.here.calls) > 0 {
		t.Errorf("got %+v, calls %q", got, world.here.calls)
	}
	if len(unowned) != 1 || unowned[0].Code != gateway.CodeForbidden {
		t.Errorf("counted %+v", unowned)
	}
}

func TestBadCloseCodeText(t *testing.T) {
	world := newCallbackWorld(t)
	r := httptest.NewRequest("DELETE", "http://any/@connections/"+string(world.local), nil)
	r.Header.Set("Sallyport-Close-Code", "soon")
	want := callbackResult{400, "BadRequestException", `{"message":"Sallyport-Close-Code is not a number"}`}
	if diff := cmp.Diff(want, world.do(t, r)); diff != "" {
		t.Error(diff)
	}
}

// asWritten looks a header up in exactly the case that goes over the wire.
func asWritten(h http.Header, name string) []string { return h[name] }
