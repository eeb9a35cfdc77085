package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/gateway"
)

// List calls yield for each live connection that matches, until yield returns false. An error after some of them means
// that the list is not complete.
func (c *Client) List(ctx context.Context, f ConnectionFilter, yield func(gateway.ConnectionStatus) bool) error {
	query := url.Values{}
	setIf(query, "api", string(f.API))
	setIf(query, "stage", string(f.Stage))
	var broken error
	err := c.lines(ctx, get("/v1/connections", query), func(line []byte) bool {
		var status gateway.ConnectionStatus
		if broken = json.Unmarshal(line, &status); broken != nil {
			return false
		}
		return yield(status)
	})
	if broken != nil {
		return c.notALine(broken)
	}
	return err
}

// Tail calls yield with each event that matches, the JSON of an event.Record, from now on until ctx ends or yield
// returns false; both are no errors. yield must not keep the line. The server drops events that are read too slowly.
func (c *Client) Tail(ctx context.Context, f TailFilter, yield func(line json.RawMessage) bool) error {
	query := url.Values{}
	setIf(query, "api", string(f.API))
	setIf(query, "route", string(f.Route))
	var broken error
	err := c.lines(ctx, get("/v1/tail", query), func(line []byte) bool {
		if !json.Valid(line) {
			broken = errors.New("a line that is no JSON")
			return false
		}
		return yield(line)
	})
	switch {
	case broken != nil:
		return c.notALine(broken)
	case ctx.Err() != nil:
		return nil
	}
	return err
}

func get(path string, query url.Values) call {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return call{method: http.MethodGet, path: path}
}

func setIf(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

func (c *Client) notALine(err error) *gateway.Error {
	return gateway.Errorf(gateway.CodeIntegration,
		"%s answered with something that is no stream of a gateway: is that its --admin address?", c.base).Because(err)
}

// lines reads a stream of JSON lines; empty lines are heartbeats. It returns nil when the stream ended well or when
// each returned false.
func (c *Client) lines(ctx context.Context, call call, each func(line []byte) bool) error {
	ctx, cancel := context.WithCancel(ctx) // ends the stream when each has seen enough
	defer cancel()
	response, err := c.do(ctx, call)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	scanner := bufio.NewScanner(response.Body)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		if line := scanner.Bytes(); len(line) > 0 && !each(line) {
			return nil
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return c.notALine(err)
	case err != nil:
		return gateway.Errorf(gateway.CodeUnavailable, "the gateway at %s went away in the middle of the stream", c.base).Because(err)
	}
	if reason := response.Trailer.Get(trailerError); reason != "" {
		return gateway.Errorf(gateway.CodeUnavailable, "%s", reason)
	}
	return nil
}
