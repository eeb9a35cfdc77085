package control

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
)

// DeadLetters is the store behind /v1/dead-letters; bus.Durable is one. Its methods may be called concurrently.
type DeadLetters interface {
	DeadLetters(ctx context.Context, f bus.DeadFilter, after uint64, limit int) (page []bus.DeadLetter, next uint64, err error)
	DeadLetter(ctx context.Context, id uint64) (bus.DeadLetter, error)
	Replay(ctx context.Context, id uint64) error
	Remove(ctx context.Context, id uint64) error
}

const (
	pathDeadLetters  = "/v1/dead-letters"
	verbReplay       = "replay"
	pathReplayLetter = pathDeadLetters + "//" + verbReplay // with an id between the slashes
	// letterPage is how many dead letters one answer lists.
	letterPage = 200
	// letterTime bounds a call of the store; a page of it is as many calls.
	letterTime = 10 * time.Second
	// maxLetterAnswer bounds what the client reads of one dead letter: the largest message in base64, its context, and room.
	maxLetterAnswer = gateway.MaxMessageCeiling*4/3 + 1<<20
)

// DeadLetter is a dead letter on the wire of /v1/dead-letters. Context and Body are in the answer for one of them alone.
type DeadLetter struct {
	ID           uint64               `json:"id"`
	API          gateway.APIID        `json:"api"`
	Stage        gateway.StageName    `json:"stage"`
	Route        gateway.RouteKey     `json:"routeKey"`
	MessageID    gateway.RequestID    `json:"messageId,omitempty"`
	ConnectionID gateway.ConnectionID `json:"connectionId,omitempty"`
	Code         gateway.Code         `json:"code"`
	Reason       string               `json:"reason"`
	Attempts     int                  `json:"attempts"`
	StoredAt     time.Time            `json:"storedAt,omitzero"`
	DeadAt       time.Time            `json:"deadAt"`
	Bytes        int                  `json:"bytes"`
	Context      json.RawMessage      `json:"context,omitempty"`
	Body         *string              `json:"body,omitempty"`
	// IsBase64Encoded is set where the body is no text.
	IsBase64Encoded bool `json:"isBase64Encoded,omitempty"`
}

type deadLetterPage struct {
	DeadLetters []DeadLetter `json:"deadLetters"`
	// Next is the after of the next page; it is missing on the last one.
	Next uint64 `json:"next,omitempty"`
}

func wireLetter(l *bus.DeadLetter) DeadLetter {
	return DeadLetter{
		ID: l.ID, API: l.API, Stage: l.Stage, Route: l.Route, MessageID: l.Message, ConnectionID: l.Connection, Code: l.Code, Reason: l.Reason,
		Attempts: l.Attempts, StoredAt: l.StoredAt, DeadAt: l.BuriedAt, Bytes: len(l.Body),
	}
}

// listLetters answers GET /v1/dead-letters?api=&stage=&route=&after=: {"deadLetters": […], "next": …}, oldest first.
func (s *Server) listLetters(w http.ResponseWriter, r *http.Request, _ managedCall) {
	query, err := parameters(r.URL, "api", "stage", "route", "after")
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	after := uint64(0)
	if text := query.Get("after"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 63); err != nil {
			refuse(w, http.StatusBadRequest, "after must be the next of the page before")
			return
		}
	}
	if !s.hasLetters(w) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), letterTime)
	defer cancel()
	filter := bus.DeadFilter{API: gateway.APIID(query.Get("api")), Stage: gateway.StageName(query.Get("stage")), Route: gateway.RouteKey(query.Get("route"))}
	letters, next, err := s.cfg.DeadLetters.DeadLetters(ctx, filter, after, letterPage)
	if err != nil {
		refuseError(w, err)
		return
	}
	page := deadLetterPage{DeadLetters: make([]DeadLetter, len(letters)), Next: next}
	for i := range letters {
		page.DeadLetters[i] = wireLetter(&letters[i])
	}
	answer(w, http.StatusOK, page)
}

// getLetter answers GET /v1/dead-letters/{id}?api= with the dead letter, its context and body included.
func (s *Server) getLetter(w http.ResponseWriter, r *http.Request, _ managedCall) {
	s.letter(w, r, func(_ context.Context, l *bus.DeadLetter) error {
		out, body := wireLetter(l), string(l.Body)
		if l.Binary || !utf8.Valid(l.Body) {
			body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(l.Body), true
		}
		out.Body = &body
		if l.Context != "" {
			out.Context = json.RawMessage(l.Context)
		}
		answer(w, http.StatusOK, out)
		return nil
	})
}

// replayLetter answers POST /v1/dead-letters/{id}/replay?api= with 204 when the message is stored again.
func (s *Server) replayLetter(w http.ResponseWriter, r *http.Request, _ managedCall) {
	s.letter(w, r, func(ctx context.Context, l *bus.DeadLetter) error {
		err := s.cfg.DeadLetters.Replay(ctx, l.ID)
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
		return err
	})
}

// deleteLetter answers DELETE /v1/dead-letters/{id}?api= with 204.
func (s *Server) deleteLetter(w http.ResponseWriter, r *http.Request, _ managedCall) {
	s.letter(w, r, func(ctx context.Context, l *bus.DeadLetter) error {
		err := s.cfg.DeadLetters.Remove(ctx, l.ID)
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
		return err
	})
}

// letter finds the dead letter of a path and calls do with it. Where the query names an API, as a key that is limited to APIs
// must, those of others are not there.
func (s *Server) letter(w http.ResponseWriter, r *http.Request, do func(context.Context, *bus.DeadLetter) error) {
	query, err := parameters(r.URL, "api")
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if !s.hasLetters(w) {
		return
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), pathDeadLetters+"/"), "/")
	id, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), letterTime)
	defer cancel()
	letter, err := s.cfg.DeadLetters.DeadLetter(ctx, id)
	if api := gateway.APIID(query.Get("api")); err == nil && api != "" && api != letter.API {
		err = gateway.Errorf(gateway.CodeNotFound, "the API %s has no dead letter %d", api, id)
	}
	if err == nil {
		err = do(ctx, &letter)
	}
	if err != nil {
		refuseError(w, err)
	}
}

func (s *Server) hasLetters(w http.ResponseWriter) bool {
	if s.cfg.DeadLetters == nil {
		refuse(w, http.StatusNotFound, "This process knows no dead letters")
		return false
	}
	return true
}

// DeadLetterFilter chooses dead letters. Empty fields choose all.
type DeadLetterFilter struct {
	API   gateway.APIID
	Stage gateway.StageName
	Route gateway.RouteKey
}

// DeadLetters calls yield for each dead letter that matches, oldest first and without its body, until it returns false.
func (c *Client) DeadLetters(ctx context.Context, f DeadLetterFilter, yield func(DeadLetter) bool) error {
	query := url.Values{}
	setIf(query, "api", string(f.API))
	setIf(query, "stage", string(f.Stage))
	setIf(query, "route", string(f.Route))
	for {
		var page deadLetterPage
		path := pathDeadLetters
		if len(query) > 0 {
			path += "?" + query.Encode()
		}
		if err := c.answer(ctx, call{method: http.MethodGet, path: path}, &page); err != nil {
			return err
		}
		for _, letter := range page.DeadLetters {
			if !yield(letter) {
				return nil
			}
		}
		if page.Next == 0 {
			return nil
		}
		query.Set("after", strconv.FormatUint(page.Next, 10))
	}
}

// DeadLetter returns one, its context and body included. api may be empty unless the client's key is limited to APIs.
func (c *Client) DeadLetter(ctx context.Context, api gateway.APIID, id uint64) (DeadLetter, error) {
	var letter DeadLetter
	err := c.answer(ctx, call{method: http.MethodGet, path: letterPath(api, id, ""), limit: maxLetterAnswer}, &letter)
	return letter, err
}

// ReplayDeadLetter stores the message of a dead letter again and removes that.
func (c *Client) ReplayDeadLetter(ctx context.Context, api gateway.APIID, id uint64) error {
	return c.answer(ctx, call{method: http.MethodPost, path: letterPath(api, id, "/"+verbReplay)}, nil)
}

// DeleteDeadLetter removes a dead letter.
func (c *Client) DeleteDeadLetter(ctx context.Context, api gateway.APIID, id uint64) error {
	return c.answer(ctx, call{method: http.MethodDelete, path: letterPath(api, id, "")}, nil)
}

func letterPath(api gateway.APIID, id uint64, verb string) string {
	path := pathDeadLetters + "/" + strconv.FormatUint(id, 10) + verb
	if api != "" {
		path += "?api=" + url.QueryEscape(string(api))
	}
	return path
}
