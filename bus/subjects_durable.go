package bus

import (
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// The tokens of messages that are stored before they are served. Streams capture them, so they are no event subjects: a
// stream there would answer in the backend's place (nats-facts §4.5).
const (
	tokenDurable = "@durable"
	tokenDead    = "@dead"
	// tokenStored marks reply subjects that are a stream's to answer.
	tokenStored = "d"
)

// Durable returns the subject on which the messages of an atLeastOnce route are stored:
// {prefix}.{api}.{stage}.@durable.ws.{routeKey}.
func (s Subjects) Durable(api gateway.APIID, stage gateway.StageName, key gateway.RouteKey) string {
	return s.stored(tokenDurable, encodeToken(string(api)), encodeToken(string(stage)), encodeToken(string(key)))
}

// Dead returns the subject of a route's messages that nothing more is tried with:
// {prefix}.{api}.{stage}.@dead.ws.{routeKey}.
func (s Subjects) Dead(api gateway.APIID, stage gateway.StageName, key gateway.RouteKey) string {
	return s.stored(tokenDead, encodeToken(string(api)), encodeToken(string(stage)), encodeToken(string(key)))
}

// ParseDead is the inverse of Dead. The error is ErrSubject.
func (s Subjects) ParseDead(subject string) (EventAddress, error) {
	return s.parseStored(tokenDead, subject)
}

// ParseDurable is the inverse of Durable. The error is ErrSubject.
func (s Subjects) ParseDurable(subject string) (EventAddress, error) {
	return s.parseStored(tokenDurable, subject)
}

func (s Subjects) stored(kind, api, stage, key string) string {
	return s.prefix() + "." + api + "." + stage + "." + kind + "." + tokenWebSocket + "." + key
}

func (s Subjects) parseStored(kind, subject string) (EventAddress, error) {
	tokens, ok := s.cut(subject)
	if !ok || len(tokens) != 5 || tokens[2] != kind || tokens[3] != tokenWebSocket {
		return EventAddress{}, ErrSubject
	}
	api, okAPI := decodeToken(tokens[0])
	stage, okStage := decodeToken(tokens[1])
	key, okKey := decodeToken(tokens[4])
	if !okAPI || !okStage || !okKey {
		return EventAddress{}, ErrSubject
	}
	return EventAddress{
		API: gateway.APIID(api), Stage: gateway.StageName(stage), Protocol: gateway.ProtocolWebSocket, Route: gateway.RouteKey(key),
	}, nil
}

// durables and deads are what the two streams capture.
func (s Subjects) durables() string { return s.stored(tokenDurable, "*", "*", "*") }
func (s Subjects) deads() string    { return s.stored(tokenDead, "*", "*", "*") }

// deadsOf chooses dead letters; empty members choose all.
func (s Subjects) deadsOf(api gateway.APIID, stage gateway.StageName, key gateway.RouteKey) string {
	return s.stored(tokenDead, anyToken(string(api)), anyToken(string(stage)), anyToken(string(key)))
}

func anyToken(s string) string {
	if s == "" {
		return "*"
	}
	return encodeToken(s)
}

// storedReply makes a reply subject of an event client one for a stream's acknowledgement. cutStored takes the mark off what
// follows the client's reply prefix; no token of an ordinary reply has a dot.
func storedReply(prefix, token string) string { return prefix + tokenStored + "." + token }

func cutStored(rest string) (token string, stored bool) {
	return strings.CutPrefix(rest, tokenStored+".")
}
