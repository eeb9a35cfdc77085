package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// MaxBytes bounds a document before it is parsed: an authorizer's whole answer has at most as much.
const MaxBytes = gateway.MaxAuthorizerAnswer

// The two effects; IAM minds their case.
const (
	effectAllow = "Allow"
	effectDeny  = "Deny"
)

// The elements of a document and of a statement. Names are compared with regard to case, as IAM does.
const (
	elementVersion     = "Version"
	elementID          = "Id"
	elementStatement   = "Statement"
	elementSID         = "Sid"
	elementEffect      = "Effect"
	elementAction      = "Action"
	elementNotAction   = "NotAction"
	elementResource    = "Resource"
	elementNotResource = "NotResource"
)

// The versions of the language. Without one IAM assumes the older.
const (
	versionOld = "2008-10-17"
	version    = "2012-10-17"
)

// object is a JSON object whose members are not read yet.
type object map[string]json.RawMessage

// statement is one parsed statement.
type statement struct {
	deny                    bool
	actions, resources      []string
	notActions, notResource bool // the list names what is not meant
}

// Allows reports whether the policy document doc consents to action, such as execute-api:Invoke, on the ARN resource: a statement
// allows it and none denies it. Patterns may contain * and ?, which match across slashes and colons; action names are
// compared without regard to case.
//
// An error means that the document can't be judged: it is over MaxBytes, no policy, or uses elements beyond Effect, Action,
// NotAction, Resource and NotResource. The caller must not consent then.
func Allows(doc []byte, action, resource string) (bool, error) {
	statements, err := parse(doc)
	if err != nil {
		return false, fmt.Errorf("policy document: %w", err)
	}
	allowed := false
	action = strings.ToLower(action)
	for i := range statements {
		s := &statements[i]
		if !s.covers(action, resource) {
			continue
		}
		if s.deny {
			return false, nil
		}
		allowed = true
	}
	return allowed, nil
}

func (s *statement) covers(action, resource string) bool {
	anyOf := func(patterns []string, s string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return match(p, s) })
	}
	return anyOf(s.actions, action) != s.notActions && anyOf(s.resources, resource) != s.notResource
}

func parse(doc []byte) ([]statement, error) {
	if len(doc) > MaxBytes {
		return nil, fmt.Errorf("over %d bytes", MaxBytes)
	}
	var document object
	if json.Unmarshal(doc, &document) != nil {
		return nil, errors.New("no JSON object")
	}
	for name, value := range document {
		switch name {
		case elementStatement, elementID:
		case elementVersion:
			if v, err := text(value); err != nil || v != version && v != versionOld {
				return nil, errors.New("unknown Version")
			}
		default:
			return nil, unknown(name)
		}
	}
	raw, err := oneOrMore[object](document[elementStatement])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", elementStatement, err)
	}
	statements := make([]statement, len(raw))
	for i, members := range raw {
		if statements[i], err = parseStatement(members); err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
	}
	return statements, nil
}

func parseStatement(members object) (s statement, err error) {
	for name := range members {
		switch name {
		case elementSID, elementEffect, elementAction, elementNotAction, elementResource, elementNotResource:
		default:
			return s, unknown(name)
		}
	}
	switch effect, err := text(members[elementEffect]); {
	case err != nil:
		return s, fmt.Errorf("%s: %w", elementEffect, err)
	case effect != effectAllow && effect != effectDeny:
		return s, errors.New("the Effect is neither Allow nor Deny")
	default:
		s.deny = effect == effectDeny
	}
	if s.actions, s.notActions, err = patterns(members, elementAction, elementNotAction); err != nil {
		return s, err
	}
	for i := range s.actions {
		s.actions[i] = strings.ToLower(s.actions[i])
	}
	s.resources, s.notResource, err = patterns(members, elementResource, elementNotResource)
	return s, err
}

// patterns reads a list or its negation, of which one must be there.
func patterns(members object, name, negated string) (list []string, negative bool, err error) {
	value, positive := members[name]
	other, negative := members[negated]
	switch {
	case positive == negative:
		return nil, false, fmt.Errorf("either %s or %s is needed", name, negated)
	case negative:
		name, value = negated, other
	}
	if list, err = oneOrMore[string](value); err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	if slices.ContainsFunc(list, func(p string) bool { return strings.Contains(p, "${") }) {
		return nil, false, fmt.Errorf("%s: policy variables are not known here", name)
	}
	return list, negative, nil
}

func text(value json.RawMessage) (string, error) {
	var s *string
	if len(value) == 0 || json.Unmarshal(value, &s) != nil || s == nil {
		return "", errors.New("a string is needed")
	}
	return *s, nil
}

// oneOrMore reads a value that may stand alone or in a list. Null and members that are null are refused.
func oneOrMore[T any](value json.RawMessage) ([]T, error) {
	var many []*T
	if len(value) > 0 && value[0] != '[' {
		var one *T
		if err := json.Unmarshal(value, &one); err != nil {
			return nil, errors.New("neither a value nor a list of such values")
		}
		many = []*T{one}
	} else if json.Unmarshal(value, &many) != nil { // also of nothing
		return nil, errors.New("missing, or no list of such values")
	}
	if len(many) == 0 {
		return nil, errors.New("empty")
	}
	list := make([]T, len(many))
	for i, v := range many {
		if v == nil {
			return nil, errors.New("a value is null")
		}
		list[i] = *v
	}
	return list, nil
}

// maxNamed bounds what of a foreign name an error repeats.
const maxNamed = 32

func unknown(name string) error {
	if len(name) > maxNamed {
		name = name[:maxNamed]
	}
	return fmt.Errorf("the element %q is not known here", name)
}
