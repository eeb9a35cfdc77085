package transform

import (
	"errors"
	"strings"

	"github.com/sallyport/sallyport/router/vtl/javaregex"
)

const (
	// maxPattern bounds a pattern before it is compiled, which takes time and memory in proportion. Patterns over status
	// codes and error messages are far shorter.
	maxPattern = 512
	// maxValue bounds what a pattern is held against: a function's error message is the backend's text, and a match may
	// take longer than in proportion. A longer value is taken by no pattern.
	maxValue = 64 << 10
	// codeDigits is the length of a status code, which as a key stands for itself.
	codeDigits = 3
)

// responseKey is the key of an integration response that is not the default one: a status code, or a pattern that has
// to take the whole value (contract/websocket-api.md §7.6, contract/rest-api.md §10.2).
type responseKey struct {
	text    string
	pattern *javaregex.Regexp // nil: the value is the text
}

var (
	errEmptyKey  = errors.New("the pattern is empty")
	errHalfSlash = errors.New("the pattern has a slash on one side only")
	errLongKey   = errors.New("the pattern is longer than 512 characters")
	errPattern   = errors.New("the key is no pattern")
)

// parseKey reads a key: three digits, or one of Java's patterns, with slashes around it or without.
func parseKey(key string) (responseKey, error) {
	if len(key) == codeDigits && strings.Trim(key, "0123456789") == "" {
		return responseKey{text: key}, nil
	}
	text := key
	if opened, closed := strings.HasPrefix(key, "/"), strings.HasSuffix(key, "/"); opened && closed {
		text = strings.TrimSuffix(key[1:], "/")
	} else if opened || closed {
		return responseKey{}, errHalfSlash
	}
	switch {
	case text == "":
		return responseKey{}, errEmptyKey
	case len(text) > maxPattern:
		return responseKey{}, errLongKey
	}
	pattern, err := javaregex.Compile(text)
	if err != nil { // without the reason, which may repeat the whole pattern
		return responseKey{}, errPattern
	}
	return responseKey{text: key, pattern: pattern}, nil
}

// takes reports whether the response of this key is for value. A match that takes too long is none.
func (k responseKey) takes(value string) bool {
	if k.pattern == nil {
		return k.text == value
	}
	if len(value) > maxValue {
		return false
	}
	ok, err := k.pattern.MatchString(value)
	return err == nil && ok
}
