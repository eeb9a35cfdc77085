package app

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/definition"
	"github.com/sallyport/sallyport/schemas/event"
)

// Console is what a person sees on standard output: start lines, one line per event, and the lines of the command that
// runs beside the gateway. Its methods may be called concurrently; a line is written whole.
type Console struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
}

// NewConsole writes to out, in colour when out is a terminal and NO_COLOR is not set.
func NewConsole(out io.Writer, getenv func(string) string) *Console {
	file, ok := out.(*os.File)
	return &Console{out: out, colour: ok && term.IsTerminal(int(file.Fd())) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

// paint is an ANSI colour.
type paint string

const (
	plain   paint = ""
	dim     paint = "\x1b[2m"
	bold    paint = "\x1b[1m"
	red     paint = "\x1b[31m"
	green   paint = "\x1b[32m"
	yellow  paint = "\x1b[33m"
	cyan    paint = "\x1b[36m"
	noPaint       = "\x1b[0m"
)

func (c *Console) in(p paint, s string) string {
	if !c.colour || p == plain || s == "" {
		return s
	}
	return string(p) + s + noPaint
}

// Write passes on whole lines, so that it can be the output of a command. It never fails: whoever closed the terminal
// wants the gateway to go on.
func (c *Console) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.out.Write(line)
	return len(line), nil
}

// Println writes one line.
func (c *Console) Println(words ...any) { fmt.Fprintln(c, words...) }

// Problems writes what is wrong with definitions, each at its place.
func (c *Console) Problems(title string, problems []definition.Problem) {
	var b strings.Builder
	b.WriteString(c.in(red, title) + "\n")
	for _, p := range problems {
		b.WriteString("  " + printable(p.Error()) + "\n")
	}
	_, _ = c.Write([]byte(b.String()))
}

// The widths that keep the columns of events together; longer words push their own line only.
const (
	apiWidth    = 14
	routeWidth  = 18
	idWidth     = 16
	statusWidth = 6
)

// Event writes the line of one event: time, API and stage, route, connection or path, status, latency, and what went
// wrong.
func (c *Console) Event(r event.Record) {
	var b strings.Builder
	b.WriteString(c.in(dim, r.Time.Local().Format("15:04:05.000")))
	column(&b, c, cyan, apiWord(r), apiWidth)
	column(&b, c, bold, routeWord(r), routeWidth)
	column(&b, c, dim, subjectWord(r), idWidth)
	status, colour := statusWord(r)
	column(&b, c, colour, status, statusWidth)
	if r.Latency > 0 {
		b.WriteString("  " + c.in(dim, latencyWord(r.Latency)))
	}
	if r.Code != "" {
		b.WriteString("  " + c.in(red, string(r.Code)))
		if r.Error != "" {
			b.WriteString(c.in(red, ": "+printable(r.Error)))
		}
	}
	b.WriteByte('\n')
	_, _ = c.Write([]byte(b.String()))
}

func column(b *strings.Builder, c *Console, p paint, word string, width int) {
	word = printable(word)
	b.WriteString("  " + c.in(p, word))
	if pad := width - len([]rune(word)); pad > 0 {
		b.WriteString(strings.Repeat(" ", pad))
	}
}

// apiWord is API and stage; a caller who reached none shows a dash.
func apiWord(r event.Record) string {
	if r.API == "" {
		return "-"
	}
	return string(r.API) + "/" + string(r.Stage)
}

// routeWord names the route; a message that no route took shows its kind.
func routeWord(r event.Record) string {
	switch {
	case r.Kind == event.KindCallback:
		return "@connections"
	case r.Route != "":
		return string(r.Route)
	}
	return "(no route)"
}

// subjectWord is whom the event is about: the connection, or the request's path.
func subjectWord(r event.Record) string {
	if r.Kind == event.KindCallback {
		return r.Method + " " + string(r.Connection)
	}
	if r.Connection != "" {
		return string(r.Connection)
	}
	return r.Path
}

// statusWord is the status and its colour. An event that was handed over and asked for no answer shows "sent".
func statusWord(r event.Record) (string, paint) {
	switch {
	case r.Code != "" && r.Status == 0:
		return "error", red
	case r.Status == 0:
		return "sent", green
	case r.Kind == event.KindDisconnect: // a close code
		return strconv.Itoa(r.Status), plain
	case r.Status >= 500 || r.Code != "":
		return strconv.Itoa(r.Status), red
	case r.Status >= 400:
		return strconv.Itoa(r.Status), yellow
	}
	return strconv.Itoa(r.Status), green
}

func latencyWord(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// printable takes the control characters out of what clients chose: a terminal acts upon them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}

// clientURL is the address of one stage, as people and backends use it. A $default stage is left out of it.
func clientURL(scheme, host string, api gateway.APIID, stage gateway.StageName) string {
	u := scheme + "://" + host + "/" + string(api)
	if stage != gateway.StageDefault {
		u += "/" + string(stage)
	}
	return u
}
