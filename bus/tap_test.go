package bus

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

func TestTap(t *testing.T) {
	e := startNATS(t)
	looker := connect(t, e)
	_, err := NewTapper(t.Context(), TapperConfig{Conn: looker})
	wantCode(t, err, gateway.CodeUnavailable)

	tap, err := NewTap(connect(t, e), Subjects{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tap.Close)
	record := event.Record{Time: time.Unix(1, 0).UTC(), API: "chat", Stage: "dev", Route: "join", Kind: event.KindMessage, Latency: time.Millisecond}
	if tap.Active() {
		t.Error("active, but nobody looks")
	}
	tap.Publish(record) // nobody hears it
	all, err := NewTapper(t.Context(), TapperConfig{Conn: looker})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(all.Close)
	shop, err := NewTapper(t.Context(), TapperConfig{Conn: looker, API: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Close)
	if !tap.Active() {
		t.Error("somebody looks")
	}
	_ = looker.nc.Publish("sallyport.@tap.chat.dev", []byte("junk"))
	_ = looker.nc.Flush()
	tap.Publish(record)
	other := record
	other.API, other.Stage = "shop", ""
	tap.Publish(other)
	one := func(tapper *Tapper) event.Record {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for r := range tapper.Records(ctx) {
			return r
		}
		t.Fatal("no record")
		return event.Record{}
	}
	if got := one(all); got != record {
		t.Errorf("%+v", got)
	}
	if got := one(all); got != other {
		t.Errorf("%+v", got)
	}
	if got := one(shop); got != other {
		t.Errorf("%+v", got)
	}
	if all.Dropped() != 0 {
		t.Error("records were dropped")
	}
	all.Close()
	for range all.Records(t.Context()) {
		t.Error("a record after Close")
	}
	tap.expiry.Reset(0) // the lease is over
	eventually(t, "nobody looks any more", func() bool { return !tap.Active() })
	_ = looker.nc.Publish(Subjects{}.TapAsk(), nil)
	eventually(t, "an ask alone wakes it", tap.Active)
	tap.Close()
	if tap.Active() {
		t.Error("active after Close")
	}
	if n := testing.AllocsPerRun(100, func() { tap.Publish(record) }); n > 0 {
		t.Errorf("%v allocations while nobody looks", n)
	}
}
