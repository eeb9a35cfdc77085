package main

import (
	"context"
	"os"
	"time"

	"github.com/sallyport/sallyport/bench/load"
	"github.com/sallyport/sallyport/internal/app"
)

type greetingFlags struct {
	Hello string `placeholder:"TEXT" help:"Send this first on each connection; %c is the connection's number."`
	Ready string `placeholder:"TEXT" help:"A connection counts from the message that contains this."`
}

type benchConnect struct {
	benchFlags
	Rate float64 `placeholder:"N" help:"Handshakes a second, by a schedule that the server's answers don't change; 0 is as fast as it answers."`
}

// Help shows an example.
func (benchConnect) Help() string {
	return `Example:

    sallyport bench connect ws://127.0.0.1:8080/bench/dev --connections 10000 --rate 5000

When --connections are open, the oldest is closed for each new one. Messages are handshakes here.`
}

// Run measures.
func (c benchConnect) Run(ctx context.Context, std streams) error {
	config, err := c.config(load.Connect, std)
	if err != nil {
		return err
	}
	config.Job.Rate = c.Rate
	return c.run(ctx, std, config)
}

type benchIdle struct {
	benchFlags
	greetingFlags
	From   int           `placeholder:"N" help:"Measure memory at so many connections first, and report what each further one costs."`
	Settle time.Duration `default:"10s" help:"How long the server gets before its memory is read (${default})."`
}

// Help shows an example.
func (benchIdle) Help() string {
	return `Example:

    sallyport bench idle ws://127.0.0.1:8080/bench/dev --from 1000 --connections 19000 --duration 70s \
      --start "sallyport dev bench/testdata/bench.yaml"

At the end every connection is pinged, and the report says how many answered.`
}

// Run measures.
func (c benchIdle) Run(ctx context.Context, std streams) error {
	config, err := c.config(load.Idle, std)
	if err != nil {
		return err
	}
	config.Job.Hello, config.Job.Ready = c.Hello, c.Ready
	config.From, config.Settle = c.From, c.Settle
	return c.run(ctx, std, config)
}

// messageFlags are those of scenarios with messages.
type messageFlags struct {
	Rate     float64 `placeholder:"N" help:"Messages a second, of all connections together, by a schedule that the server's answers don't change; 0 sends the next when the last is answered."`
	InFlight int     `placeholder:"N" help:"Messages under way on one connection; 0 is 16 with --rate and 1 without."`
	Size     int     `default:"128" placeholder:"BYTES" help:"Fill messages up to this size with spaces (${default})."`
	Expect   string  `placeholder:"TEXT" help:"What an answer contains: each occurrence counts as one, and messages without it as none."`
	Deaf     int     `placeholder:"PERCENT" help:"So many of a hundred connections never read what they are sent, and are not counted on."`
}

func (f *messageFlags) fill(job *load.Job) {
	job.Rate, job.InFlight, job.Size, job.Expect, job.Deaf = f.Rate, f.InFlight, f.Size, f.Expect, f.Deaf
}

type benchEcho struct {
	benchFlags
	greetingFlags
	messageFlags
	Message string `default:"{\"action\":\"echo\",\"n\":%d}" placeholder:"TEXT" help:"The message; %d is its number, %c its connection's (${default})."`
}

// Help shows an example.
func (benchEcho) Help() string {
	return `Examples:

    sallyport bench echo ws://127.0.0.1:8080/bench/dev --connections 1000 --rate 20000 --pid 4711
    sallyport bench echo ws://127.0.0.1:8080/bench/dev --connections 1000        # as fast as it answers

With --rate the latency of a message counts from when it was due, even if it could not be sent then because the
server had stalled; "from send" is the time without that wait.`
}

// Run measures.
func (c benchEcho) Run(ctx context.Context, std streams) error {
	config, err := c.config(load.Echo, std)
	if err != nil {
		return err
	}
	config.Job.Hello, config.Job.Ready, config.Job.Message = c.Hello, c.Ready, c.Message
	c.messageFlags.fill(&config.Job)
	return c.run(ctx, std, config)
}

// pushFlags say how messages come to clients from outside.
type pushFlags struct {
	IDMessage string `name:"id-message" default:"{\"action\":\"id\"}" placeholder:"TEXT" help:"A client sends this to learn its connection's id: the answer is the id, or JSON with connectionId (${default})."`
	Callback  string `placeholder:"URL" help:"Post to this URL and /@connections/{id}; by default the one that clients connect to."`
	Sign      bool   `help:"Sign the posts, as serve asks for, with the key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."`
	Callers   int    `default:"64" placeholder:"N" help:"HTTP connections that post (${default})."`
	NATS      string `name:"nats" placeholder:"URL" help:"Publish to the connections' subjects at this NATS instead."`
	NATSCreds string `name:"nats-creds" placeholder:"FILE" help:"Credentials file for --nats."`
	Prefix    string `default:"sallyport" placeholder:"TOKEN" help:"First token of every subject, for --nats (${default})."`
}

func (f *pushFlags) fill(job *load.Job) error {
	job.IDMessage, job.Callback, job.Callers = f.IDMessage, f.Callback, f.Callers
	job.NATS, job.NATSCreds, job.Prefix = f.NATS, f.NATSCreds, f.Prefix
	if f.Sign {
		job.AccessKeyID, job.SecretAccessKey = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
		if job.AccessKeyID == "" || job.SecretAccessKey == "" {
			return app.Usagef("--sign needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		}
	}
	return nil
}

type benchPush struct {
	benchFlags
	greetingFlags
	messageFlags
	pushFlags
	Message string `default:"{\"pushed\":%d}" placeholder:"TEXT" help:"The message; %d is its number, %c its connection's (${default})."`
}

// Help shows examples.
func (benchPush) Help() string {
	return `Examples:

    sallyport dev bench/testdata/bench.yaml
    sallyport bench push ws://127.0.0.1:8080/bench/dev --connections 1000
    sallyport bench push ws://127.0.0.1:8080/bench/dev --connections 1000 --rate 50000 --nats nats://127.0.0.1:4222

The latency is from the call to the arrival at the client; "call" is the HTTP call alone. dev takes calls that are not
signed; for serve, use --sign.`
}

// Run measures.
func (c benchPush) Run(ctx context.Context, std streams) error {
	config, err := c.config(load.Push, std)
	if err != nil {
		return err
	}
	c.messageFlags.fill(&config.Job)
	if err := c.pushFlags.fill(&config.Job); err != nil {
		return err
	}
	config.Job.Hello, config.Job.Ready, config.Job.Message = c.Hello, c.Ready, c.Message
	return c.run(ctx, std, config)
}

type benchFanout struct {
	benchFlags
	greetingFlags
	messageFlags
	pushFlags
	Via     string `enum:"push,message" default:"push" help:"push: a push to each client; message: one message of one client, which the server sends to all (${default})."`
	Message string `default:"{\"action\":\"all\",\"n\":%d}" placeholder:"TEXT" help:"The message; %d is its number (${default})."`
}

// Help shows an example.
func (benchFanout) Help() string {
	return `Example:

    sallyport bench fanout ws://127.0.0.1:8080/bench/dev --connections 10000 --rate 1 --nats nats://127.0.0.1:4222

--rate and --in-flight are of rounds, each with one message for every client. "last of a round" is when it had come to all.`
}

// Run measures.
func (c benchFanout) Run(ctx context.Context, std streams) error {
	config, err := c.config(load.Fanout, std)
	if err != nil {
		return err
	}
	c.messageFlags.fill(&config.Job)
	if err := c.pushFlags.fill(&config.Job); err != nil {
		return err
	}
	if c.Via == "message" {
		config.Job.IDMessage = ""
	}
	config.Job.Hello, config.Job.Ready, config.Job.Message = c.Hello, c.Ready, c.Message
	return c.run(ctx, std, config)
}

type benchHTTP struct {
	benchFlags
	Rate   float64 `placeholder:"N" help:"Requests a second, of all connections together, by a schedule that the server's answers don't change; 0 sends the next when the last is answered."`
	Method string  `default:"GET" placeholder:"METHOD" help:"Method of the requests (${default})."`
	Body   string  `placeholder:"TEXT" help:"Body of the requests."`
}

// Help shows an example.
func (benchHTTP) Help() string {
	return `Example:

    sallyport bench http http://127.0.0.1:8080/shop/dev/pets/7 --connections 64 --rate 5000`
}

// Run measures.
func (c benchHTTP) Run(ctx context.Context, std streams) error {
	config, err := c.config(load.Request, std)
	if err != nil {
		return err
	}
	config.Job.Rate, config.Job.Method, config.Job.Body = c.Rate, c.Method, c.Body
	return c.run(ctx, std, config)
}
