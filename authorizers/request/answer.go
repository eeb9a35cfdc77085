package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/sallyport/sallyport/gateway"
)

// memberPrincipal is the member of the authorizer's context beside the authorizer's own.
const memberPrincipal = "principalId"

var (
	errUnauthorized = errors.New("it answered " + gateway.AuthorizerUnauthorized)
	errOversized    = fmt.Errorf("its answer has more than %d bytes", gateway.MaxAuthorizerAnswer)
	errNoObject     = errors.New("its answer is no JSON object of the expected form")
	errPrincipal    = errors.New("its answer has no principalId")
	errPolicy       = errors.New("its answer has no policyDocument")
	errContext      = errors.New("its answer has a context that is not flat: only strings, numbers and booleans may be in it")
)

// answer is an authorizer's answer, of which only the policy is still to be judged.
type answer struct {
	policy   json.RawMessage
	context  json.RawMessage // principalId and the flat context in one object
	usageKey string
}

// parseAnswer reads the output of contract/websocket-api.md §10.1. errUnauthorized is a refusal in the form of a function
// error: endpoints such as the runtime interface emulator hand it on like a result.
func parseAnswer(payload []byte) (answer, error) {
	if len(payload) > gateway.MaxAuthorizerAnswer {
		return answer{}, errOversized
	}
	var told struct {
		PrincipalID        json.RawMessage            `json:"principalId"`
		PolicyDocument     json.RawMessage            `json:"policyDocument"`
		Context            map[string]json.RawMessage `json:"context"`
		UsageIdentifierKey *string                    `json:"usageIdentifierKey"`
		ErrorMessage       string                     `json:"errorMessage"`
	}
	if !utf8.Valid(payload) || json.Unmarshal(payload, &told) != nil { // the context goes on as it is, so it must be text
		return answer{}, errNoObject
	}
	principal := flat(told.PrincipalID)
	switch {
	case told.ErrorMessage == gateway.AuthorizerUnauthorized && principal == nil && missing(told.PolicyDocument):
		return answer{}, errUnauthorized
	case principal == nil || bytes.Equal(principal, []byte(`""`)):
		return answer{}, errPrincipal
	case missing(told.PolicyDocument):
		return answer{}, errPolicy
	}
	out := answer{policy: told.PolicyDocument}
	if told.UsageIdentifierKey != nil {
		out.usageKey = *told.UsageIdentifierKey
	}
	var err error
	out.context, err = flatten(principal, told.Context)
	return out, err
}

// flatten puts the context of a connection's events together. A member that is null is left out; the authorizer's own
// principalId wins over one in its context.
func flatten(principal json.RawMessage, members map[string]json.RawMessage) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteString(`{"` + memberPrincipal + `":`)
	b.Write(principal)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		if name == memberPrincipal || missing(value) {
			continue
		}
		if value = flat(value); value == nil {
			return nil, errContext
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, errContext
		}
		b.WriteByte(',')
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// flat returns a string, number or boolean as it is, and nil for anything else.
func flat(value json.RawMessage) json.RawMessage {
	if missing(value) || value[0] == '{' || value[0] == '[' {
		return nil
	}
	return value
}

func missing(value json.RawMessage) bool {
	return len(value) == 0 || bytes.Equal(value, []byte("null"))
}
