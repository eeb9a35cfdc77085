package router

import (
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// callbackDepth is how many segments can stand before @connections: an API and a stage.
	callbackDepth = 2
	// shownIDBytes bounds how much of a malformed id is repeated to its sender.
	shownIDBytes = 128
)

// IsCallback reports whether a path has the form of a callback: @connections, also written %40connections, behind at
// most two segments (contract/websocket-api.md §9.1).
func IsCallback(escapedPath string) bool {
	_, _, ok := splitCallback(escapedPath)
	return ok
}

// Callback reads the address of a callback: behind the mapping key of a custom domain, /{api}/{stage} or
// {api}.{domain}/{stage}, with the $default stage left out, behind /{stage} without an API, or bare (DESIGN §4). What the
// address does not name stays empty in the result and is not checked by the connection's owner.
//
// The error's codes: CodeNotFound (no callback at all, or nothing that the rest of a custom domain knows), CodeForbidden (no such API or stage), CodeBadRequest (malformed
// id; the message is the one that Amazon's clients know).
func (t *Table) Callback(host, escapedPath string) (gateway.ConnectionRef, error) {
	before, escapedID, ok := splitCallback(escapedPath)
	if !ok {
		return gateway.ConnectionRef{}, gateway.Errorf(gateway.CodeNotFound, "Not Found")
	}
	ref, ok := t.callbackOwner(host, before)
	switch {
	case ok:
	case t.custom.find(host).takesAll(): // contract/websocket-api.md §9.2
		return gateway.ConnectionRef{}, gateway.Errorf(gateway.CodeNotFound, "Not Found")
	default:
		return gateway.ConnectionRef{}, gateway.Errorf(gateway.CodeForbidden, "Forbidden")
	}
	id, err := url.PathUnescape(escapedID)
	if err != nil {
		id = escapedID
	}
	if ref.ID, err = gateway.ParseConnectionID(id); err != nil {
		return gateway.ConnectionRef{}, gateway.Errorf(gateway.CodeBadRequest, "Invalid connectionId: %s", id[:min(len(id), shownIDBytes)])
	}
	return ref, nil
}

// splitCallback returns the decoded segments before @connections and the undecoded text behind it. Empty segments do not
// count: SDKs that were given an endpoint with a final slash send "/prod//@connections/…" (contract/control-plane.md, §3.5
// of the signing rules).
func splitCallback(path string) (before []string, id string, ok bool) {
	for rest := path; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if segment == callbackSegment || segment == "%40connections" {
			return before, strings.Trim(rest, "/"), true
		}
		if segment == "" || len(before) == callbackDepth {
			return nil, "", false
		}
		before = append(before, decoded(segment))
	}
	return nil, "", false
}

// callbackOwner finds the API and the stage that an address names. It reports false for unknown ones.
func (t *Table) callbackOwner(host string, before []string) (gateway.ConnectionRef, bool) {
	if m := t.custom.find(host); m != nil {
		if ref, ok := m.callback(before); ok || len(before) > 0 {
			return ref, ok
		}
	}
	if len(before) == callbackDepth { // path style on any host
		api, stage := gateway.APIID(before[0]), gateway.StageName(before[1])
		return gateway.ConnectionRef{API: api, Stage: stage}, t.usual[api][stage] != nil
	}
	if label, _ := t.hostLabel(host); t.usual[label] != nil {
		return t.callbackStage(label, before)
	}
	if len(before) == 0 {
		return gateway.ConnectionRef{}, true
	}
	return t.callbackName(before[0])
}

// callbackStage is for hosts that name the API.
func (t *Table) callbackStage(api gateway.APIID, before []string) (gateway.ConnectionRef, bool) {
	if len(before) == 0 {
		return gateway.ConnectionRef{API: api, Stage: t.leftOutStage(api)}, true
	}
	stage := gateway.StageName(before[0])
	return gateway.ConnectionRef{API: api, Stage: stage}, t.usual[api][stage] != nil
}

// callbackName reads the one segment before @connections: an API whose stage is left out, or a stage whose API is. Where
// it could be both, the id alone decides.
func (t *Table) callbackName(name string) (gateway.ConnectionRef, bool) {
	api, stage := gateway.APIID(name), gateway.StageName(name)
	_, isStage := t.names[stage]
	switch isAPI := t.usual[api] != nil; {
	case isAPI && isStage:
		return gateway.ConnectionRef{}, true
	case isAPI:
		return gateway.ConnectionRef{API: api, Stage: t.leftOutStage(api)}, true
	}
	return gateway.ConnectionRef{Stage: stage}, isStage
}

// leftOutStage is $default where there is one; otherwise the stage is not checked.
func (t *Table) leftOutStage(api gateway.APIID) gateway.StageName {
	if t.Program(api, gateway.StageDefault) != nil {
		return gateway.StageDefault
	}
	return ""
}
