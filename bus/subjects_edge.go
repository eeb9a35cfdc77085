package bus

import (
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// Connection returns the addressed subject of a connection command (DESIGN §3.4):
// {prefix}.{api}.{stage}.@connections.{EDGE}.{id}[.{verb}], with % for an unknown API or stage.
func (s Subjects) Connection(ref gateway.ConnectionRef, verb Verb) string {
	subject := s.prefix() + "." + encodeToken(string(ref.API)) + "." + encodeToken(string(ref.Stage)) + "." +
		tokenConnections + "." + encodeToken(string(ref.ID.Edge())) + "." + encodeToken(string(ref.ID))
	if verb != VerbPost {
		subject += "." + string(verb)
	}
	return subject
}

// ParseConnection is the inverse of Connection: the command and the edge token as the sender wrote it. It does not
// check the form of the id. The error is ErrSubject.
func (s Subjects) ParseConnection(subject string) (gateway.ConnectionRef, gateway.EdgeID, Verb, error) {
	var ref gateway.ConnectionRef
	const shortest, longest = 5, 6
	var split [longest + 1]string // every push comes this way: without an allocation
	tokens, ok := s.cutInto(split[:0], subject)
	if !ok || len(tokens) < shortest || len(tokens) > longest || tokens[2] != tokenConnections {
		return ref, "", "", ErrSubject
	}
	api, okAPI := decodeToken(tokens[0])
	stage, okStage := decodeToken(tokens[1])
	edge, okEdge := decodeToken(tokens[3])
	id, okID := decodeToken(tokens[4])
	if !okAPI || !okStage || !okEdge || !okID {
		return ref, "", "", ErrSubject
	}
	verb := VerbPost
	if len(tokens) == longest {
		verb = Verb(tokens[longest-1])
		if verb != VerbGet && verb != VerbDelete && verb != VerbStatus {
			return ref, "", "", ErrSubject
		}
	}
	ref = gateway.ConnectionRef{API: gateway.APIID(api), Stage: gateway.StageName(stage), ID: gateway.ConnectionID(id)}
	return ref, gateway.EdgeID(edge), verb, nil
}

// EdgeConnections is the one subscription by which an edge receives the commands for its sockets (nats-facts §2.2).
func (s Subjects) EdgeConnections(edge gateway.EdgeID) string {
	return s.prefix() + ".*.*." + tokenConnections + "." + encodeToken(string(edge)) + ".>"
}

// connectionTemplate names the subjects of connection commands in traces, without the ids.
func (s Subjects) connectionTemplate(verb Verb) string {
	t := s.prefix() + ".{api}.{stage}." + tokenConnections + ".{edge}.{connectionId}"
	if verb != VerbPost {
		t += "." + string(verb)
	}
	return t
}

// Mapping is one subject mapping of an account, in nats-server's words.
type Mapping struct{ From, To string }

// Mappings are the three that let publishers who know only a connection id reach its owner: the first four characters
// of the id name it (nats-facts §2.1). Every server that takes publishers needs them, and both ends of a leaf link.
func (s Subjects) Mappings() []Mapping {
	from := s.prefix() + ".*.*." + tokenConnections + ".*"
	to := s.prefix() + ".{{wildcard(1)}}.{{wildcard(2)}}." + tokenConnections + ".{{left(3,4)}}.{{wildcard(3)}}"
	mappings := []Mapping{{from, to}}
	for _, verb := range []Verb{VerbGet, VerbDelete} {
		mappings = append(mappings, Mapping{from + "." + string(verb), to + "." + string(verb)})
	}
	return mappings
}

// edge returns {prefix}.@edge.{EDGE}. with the last dot.
func (s Subjects) edge(edge gateway.EdgeID) string {
	return s.prefix() + "." + tokenEdge + "." + encodeToken(string(edge)) + "."
}

// ReplyPrefix is what the reply subjects of one event client start with; a token of letters and digits follows.
func (s Subjects) ReplyPrefix(edge gateway.EdgeID) string { return s.edge(edge) + tokenReply + "." }

// Replies is the subscription for all replies of one event client.
func (s Subjects) Replies(edge gateway.EdgeID) string { return s.ReplyPrefix(edge) + ">" }

// answerable reports whether an edge may answer there. Whoever sends a command names the reply subject, and NATS checks no
// permission for it: the edge, which may publish events and journals, would publish them for a backend that may not.
func (s Subjects) answerable(reply string) bool {
	if strings.HasPrefix(reply, "$") { // JetStream's, and the system's
		return false
	}
	rest, ours := strings.CutPrefix(reply, s.prefix()+".")
	if !ours {
		return true
	}
	edge, ok := strings.CutPrefix(rest, tokenEdge+".")
	_, rest, _ = strings.Cut(edge, ".")
	return ok && strings.HasPrefix(rest, tokenReply+".")
}

// Failure is the reply subject of an event whose sender keeps no state for it: it says itself which message failed.
func (s Subjects) Failure(edge gateway.EdgeID, c gateway.ConnectionID, r gateway.RequestID) string {
	return s.failurePrefix(edge) + encodeToken(string(c)) + "." + encodeToken(string(r))
}

// Failures is the subscription for all of them.
func (s Subjects) Failures(edge gateway.EdgeID) string { return s.failurePrefix(edge) + ">" }

func (s Subjects) failurePrefix(edge gateway.EdgeID) string { return s.edge(edge) + tokenFailure + "." }

// parseFailure is the inverse of Failure, for what follows the prefix that the receiver knows to be its own.
func parseFailure(rest string) (gateway.ConnectionID, gateway.RequestID, error) {
	c, r, ok := strings.Cut(rest, ".")
	connection, okC := decodeToken(c)
	request, okR := decodeToken(r)
	if !ok || !okC || !okR {
		return "", "", ErrSubject
	}
	return gateway.ConnectionID(connection), gateway.RequestID(request), nil
}

// EdgePing is answered by an edge that lives; nobody answers for a dead one (nats-facts §5.6).
func (s Subjects) EdgePing(edge gateway.EdgeID) string { return s.edge(edge) + tokenPing }

// EdgeList starts a listing of one edge's connections.
func (s Subjects) EdgeList(edge gateway.EdgeID) string { return s.edge(edge) + tokenList }

// EdgesPing is answered by every edge with its id.
func (s Subjects) EdgesPing() string { return s.prefix() + "." + tokenEdges + "." + tokenPing }

// Record is where edges publish the copy of a record while somebody looks; an unknown API or stage is %.
func (s Subjects) Record(api gateway.APIID, stage gateway.StageName) string {
	return s.prefix() + "." + tokenTap + "." + encodeToken(string(api)) + "." + encodeToken(string(stage))
}

// Tap is the subscription for records; an empty API or stage stands for all.
func (s Subjects) Tap(api gateway.APIID, stage gateway.StageName) string {
	a, b := "*", "*"
	if api != "" {
		a = encodeToken(string(api))
	}
	if stage != "" {
		b = encodeToken(string(stage))
	}
	return s.prefix() + "." + tokenTap + "." + a + "." + b
}

// TapAsk is where a tapper says, again and again, that it is looking.
func (s Subjects) TapAsk() string { return s.prefix() + "." + tokenTapAsk }
