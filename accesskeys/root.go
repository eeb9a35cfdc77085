package accesskeys

import (
	"errors"
	"fmt"
)

// The variables that hold the root key.
const (
	EnvRootID     = "SALLYPORT_ROOT_ACCESS_KEY_ID"
	EnvRootSecret = "SALLYPORT_ROOT_SECRET_ACCESS_KEY"
)

const (
	// minRootSecret keeps guessable secrets out: all stored keys are sealed with what follows from it. Amazon's have 40.
	minRootSecret = 16
	// maxID and maxSecret are far above what AWS SDKs have (an id has 16 to 128 characters there).
	maxID     = 128
	maxSecret = 1024
)

// RootFrom reads the root key from an environment. ok is false when neither variable is set; one without the other is an
// error that names the missing one. No error tells the secret.
func RootFrom(getenv func(string) string) (root Key, ok bool, err error) {
	id, secret := getenv(EnvRootID), getenv(EnvRootSecret)
	switch {
	case id == "" && secret == "":
		return Key{}, false, nil
	case id == "":
		return Key{}, false, fmt.Errorf("%s is set, but %s is not: set both or neither", EnvRootSecret, EnvRootID)
	case secret == "":
		return Key{}, false, fmt.Errorf("%s is set, but %s is not: set both or neither", EnvRootID, EnvRootSecret)
	case !validID(id):
		return Key{}, false, fmt.Errorf("%s must be 1 to %d letters, digits, - or _", EnvRootID, maxID)
	case len(secret) < minRootSecret || len(secret) > maxSecret:
		return Key{}, false, fmt.Errorf("%s must have %d to %d characters: make one with: openssl rand -base64 30", EnvRootSecret, minRootSecret, maxSecret)
	}
	return Key{ID: id, Secret: secret, Root: true}, true, nil
}

// errNoRoot says what creating needs.
var errNoRoot = errors.New("access keys are sealed with the root secret, and this gateway has none: set " +
	EnvRootID + " and " + EnvRootSecret + " in its environment and start it again")

// validID reports whether an id can stand in a credential scope and as a bucket's key.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
