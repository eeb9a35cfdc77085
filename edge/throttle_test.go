package edge

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// A new table takes the buckets of what it does not throttle away, and leaves the others as they are.
func TestBucketsFollowTheTable(t *testing.T) {
	once := &gateway.Throttle{RateLimit: 0.001, BurstLimit: 1}
	throttled := func(keys ...gateway.RouteKey) func(*gateway.API) {
		return func(api *gateway.API) {
			settings := make(map[gateway.RouteKey]*gateway.RouteSettings)
			for _, key := range keys {
				settings[key] = &gateway.RouteSettings{Throttle: once}
			}
			api.Stages["dev"].Throttle, api.Stages["dev"].RouteSettings = &gateway.Throttle{RateLimit: 1, BurstLimit: 100}, settings
		}
	}
	w := prepareWorld(t, chatAPI(throttled(gateway.RouteConnect, "say", "ask")))
	now := time.Now()
	passes := func(key gateway.RouteKey) bool {
		p := w.program("chat", "dev")
		if key == gateway.RouteConnect {
			return w.throttleConnect(p, now) == nil
		}
		return w.throttle(p, key, p.Route(key).Throttle(), now) == nil
	}
	for _, key := range []gateway.RouteKey{gateway.RouteConnect, "say", "ask"} {
		if !passes(key) || passes(key) {
			t.Fatalf("%s does not have a burst of 1", key)
		}
	}
	if n := w.buckets.Len(); n != 4 {
		t.Fatalf("%d buckets, want the stage's and three", n)
	}

	w.swap(chatAPI(throttled("say")))
	w.follow(now)
	if n := w.buckets.Len(); n != 2 {
		t.Errorf("%d buckets, want the stage's and that of say", n)
	}
	if passes("say") {
		t.Error("a deployment filled the bucket of a route that it left alone")
	}
	w.swap(chatAPI(throttled("say", "ask")))
	w.follow(now)
	if !passes("ask") {
		t.Error("a route that is throttled again begins with an empty bucket")
	}
	w.swap(chatAPI(throttled("say"), func(a *gateway.API) { a.APIID = "other" }))
	w.follow(now)
	if n := w.buckets.Len(); n != 0 {
		t.Errorf("%d buckets of a removed API are left", n)
	}
}
