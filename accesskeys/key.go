package accesskeys

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// ErrUnknown says that no access key has the id.
var ErrUnknown = errors.New("access key: not known")

// Action is something that an access key may be good for.
type Action string

// The actions. The first two are Amazon's names (contract/websocket-api.md §9.3, §10.2), the third is the project's own.
const (
	// ActionInvoke is opening a WebSocket or calling an HTTP route whose authorization is IAM.
	ActionInvoke Action = "execute-api:Invoke"
	// ActionManageConnections is a callback: sending to, asking about and closing connections.
	ActionManageConnections Action = "execute-api:ManageConnections"
	// ActionManage is everything else of the control plane, access keys among it.
	ActionManage Action = "sallyport:Manage"
)

// Actions returns all actions there are.
func Actions() []Action { return []Action{ActionInvoke, ActionManageConnections, ActionManage} }

// Key is an access key.
type Key struct {
	// ID is the public half: the access key id of Amazon's SDKs. Secret is the other half.
	ID, Secret string
	// Description is free text of whoever made the key.
	Description string
	// APIs are those that the key is good for; empty means all.
	APIs []gateway.APIID
	// Actions are what the key is good for; empty means all.
	Actions []Action
	// Root marks the key of the node's own settings: it may do everything and is not stored.
	Root bool
	// Unreadable marks a stored key that does not open with this root secret: of it the ID alone is known, and all that can
	// be done is to remove it.
	Unreadable bool
	// CreatedAt is when the key was made; zero for the root key and what is Unreadable.
	CreatedAt time.Time
}

// Allows reports whether the key may do the action at the API. An empty api means no API in particular: only a key that is
// good for all APIs may do that.
func (k Key) Allows(a Action, api gateway.APIID) bool {
	if k.Root {
		return true
	}
	if len(k.Actions) > 0 && !slices.Contains(k.Actions, a) {
		return false
	}
	return len(k.APIs) == 0 || (api != "" && slices.Contains(k.APIs, api))
}

// ARN returns the name that Amazon's error messages and requestContext.identity.userArn call the key's owner by.
func (k Key) ARN() string {
	if k.Root {
		return "arn:aws:iam::" + gateway.DefaultAccount + ":root"
	}
	return "arn:aws:iam::" + gateway.DefaultAccount + ":user/" + k.ID
}

// LogValue keeps the secret out of logs.
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", k.ID), slog.Bool("root", k.Root))
}

// String names the key without its secret.
func (k Key) String() string { return fmt.Sprintf("access key %s", k.ID) }

// GoString keeps the secret out of %#v.
func (k Key) GoString() string { return k.String() }
