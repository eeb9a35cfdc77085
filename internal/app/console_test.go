package app

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

func TestEventLines(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.Local)
	tests := []struct {
		name   string
		record event.Record
		want   string
	}{
		{"two-way message", event.Record{Time: at, API: "chat", Stage: "dev", Route: "join", Kind: event.KindMessage, Connection: "AbCdEfGhIjKlMnO=", Status: 200, Latency: 1234 * time.Microsecond},
			"03:04:05.678  chat/dev        join                AbCdEfGhIjKlMnO=  200     1.2 ms\n"},
		{"one-way message", event.Record{Time: at, API: "chat", Stage: "dev", Route: "send", Kind: event.KindMessage, Connection: "AbCdEfGhIjKlMnO="},
			"03:04:05.678  chat/dev        send                AbCdEfGhIjKlMnO=  sent  \n"},
		{"no route", event.Record{Time: at, API: "chat", Stage: "dev", Kind: event.KindMessage, Connection: "AbCdEfGhIjKlMnO=", Code: gateway.CodeForbidden, Error: "Forbidden"},
			"03:04:05.678  chat/dev        (no route)          AbCdEfGhIjKlMnO=  error   forbidden: Forbidden\n"},
		{"request with an escape sequence", event.Record{Time: at, API: "web", Stage: "dev", Route: "GET /{x}", Kind: event.KindRequest, Path: "/\x1b[31m", Status: 404},
			"03:04:05.678  web/dev         GET /{x}            /·[31m            404   \n"},
		{"callback", event.Record{Time: at, API: "chat", Stage: "dev", Kind: event.KindCallback, Method: "POST", Connection: "AbCdEfGhIjKlMnO=", Status: 410, Code: gateway.CodeGone},
			"03:04:05.678  chat/dev        @connections        POST AbCdEfGhIjKlMnO=  410     gone\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			NewConsole(&out, func(string) string { return "" }).Event(test.record)
			if out.String() != test.want {
				t.Errorf("got  %q\nwant %q", out.String(), test.want)
			}
		})
	}
}

func TestColours(t *testing.T) {
	var out bytes.Buffer
	c := &Console{out: &out, colour: true}
	c.Event(event.Record{API: "a", Stage: "s", Route: "r", Status: 502})
	if !strings.Contains(out.String(), string(red)+"502"+noPaint) {
		t.Errorf("a 502 is not red: %q", out.String())
	}
}
