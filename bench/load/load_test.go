package load

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTemplate(t *testing.T) {
	for _, test := range []struct {
		text string
		size int
		want string
	}{
		{`{"n":%d}`, 0, `{"n":7}`},
		{`{"n":%d}`, 10, `{"n":7}   `},
		{`{"n":%d,"c":%c,"of":%d}`, 3, `{"n":7,"c":42,"of":7}`},
		{"50 % of %d%", 0, "50 % of 7%"},
		{"plain", 8, "plain   "},
		{"%", 0, "%"},
	} {
		m := newTemplate(test.text, test.size)
		for range 2 {
			if got := string(m.render(nil, 7, 42)); got != test.want {
				t.Errorf("%q at %d: %q, want %q", test.text, test.size, got, test.want)
			}
		}
	}
}

func TestRenderAllocates(t *testing.T) {
	m := newTemplate(`{"action":"echo","n":%d}`, 128)
	b := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { b = m.render(b, 123456, 1) }); n > 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// The workers' schedules together are one: each message has its place, evenly spread.
func TestScheduleIsShared(t *testing.T) {
	const rate, workers, connections = 1000, 4, 40
	seen := map[time.Duration]int{}
	for i := range workers {
		s := newSchedule(&Job{Worker: i, Workers: workers, Connections: connections}, rate, time.Second)
		for n := range int64(250) {
			seen[s.due(n).Round(time.Microsecond)]++
		}
	}
	for n := range time.Duration(1000) {
		if at := time.Second + n*time.Millisecond; seen[at] != 1 {
			t.Errorf("%d messages are due at %s", seen[at], at)
		}
	}
}

func TestShares(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 1000} {
		sum := 0
		for i := range 8 {
			sum += (&Job{Worker: i, Workers: 8}).share(n)
		}
		if sum != n {
			t.Errorf("8 workers have %d of %d", sum, n)
		}
	}
}

func TestHistogramsAddUp(t *testing.T) {
	var a, b Histogram
	for i := range 1000 {
		a.Record(time.Duration(i) * time.Microsecond)
		b.Record(time.Duration(i) * time.Millisecond)
	}
	b.Record(time.Hour) // counts as the longest
	text, err := json.Marshal(Tally{Latency: b, Measured: time.Second, Failures: map[string]int64{"status 429": 2}})
	if err != nil {
		t.Fatal(err)
	}
	var far Tally
	if err := json.Unmarshal(text, &far); err != nil {
		t.Fatal(err)
	}
	sum := Tally{Latency: a, Measured: 2 * time.Second, Failures: map[string]int64{"status 429": 1}}
	sum.Add(&far)
	if n := sum.Latency.Count(); n != 2001 || sum.Failures["status 429"] != 3 || sum.Measured != 2*time.Second {
		t.Errorf("%d durations, %v", n, sum.Failures)
	}
	if p := sum.Latency.At(0.75); p < 498*time.Millisecond || p > 502*time.Millisecond {
		t.Errorf("p75 is %s", p)
	}
	if longest := sum.Latency.At(1); longest < highest {
		t.Errorf("the longest is %s", longest)
	}
	if (Histogram{}).At(0.5) != 0 || (Histogram{}).Mean() != 0 {
		t.Error("an empty histogram has figures")
	}
}

func TestCausesAreBounded(t *testing.T) {
	var m map[string]int64
	for i := range 3 * maxCauses {
		count(&m, string(rune('a'+i)))
	}
	if len(m) > maxCauses+1 || m["other"] != 2*maxCauses {
		t.Errorf("%d causes, %d others", len(m), m["other"])
	}
}

func TestFlights(t *testing.T) {
	var f flights
	for lap := range 3 {
		for i := range 4 {
			f.push(flight{due: time.Duration(10*lap + i)}, 4)
		}
		for i := range 4 {
			if x, ok := f.pop(); !ok || x.due != time.Duration(10*lap+i) {
				t.Errorf("lap %d: %v %v", lap, x, ok)
			}
		}
	}
	if _, ok := f.pop(); ok {
		t.Error("a flight out of nothing")
	}
}

func TestReadID(t *testing.T) {
	for text, want := range map[string]bool{
		"L0SMxcOFvHcCIhw=": true, ` "L0SMxcOFvHcCIhw="` + "\n": true, `{"connectionId":"L0SMxcOFvHcCIhw="}`: true,
		"": false, "{": false, "hello": false, `{"message":"Forbidden","connectionId":"L0SMxcOFvHcCIhw="}`: false,
	} {
		if _, err := readID([]byte(text)); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
