package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/gateway"
)

// AccessKeys is the store behind /v1/access-keys; accesskeys.Store is one. Its methods may be called concurrently.
type AccessKeys interface {
	Create(ctx context.Context, r accesskeys.Request) (accesskeys.Key, error)
	List(ctx context.Context) ([]accesskeys.Key, error)
	Delete(ctx context.Context, id string) error
}

const (
	pathAccessKeys = "/v1/access-keys"
	// maxKeyAnswer bounds what the client reads of a list: the most keys that a store holds, a few hundred bytes each.
	maxKeyAnswer = 8 << 20
)

// AccessKey is an access key on the wire of /v1/access-keys. Secret is there in the answer to its creation alone.
type AccessKey struct {
	ID          string              `json:"accessKeyId"`
	Secret      string              `json:"secretAccessKey,omitempty"`
	Description string              `json:"description,omitempty"`
	APIs        []gateway.APIID     `json:"apis,omitempty"`
	Actions     []accesskeys.Action `json:"actions,omitempty"`
	// Unreadable keys were sealed with another root secret than the gateway's: nothing else is known of them.
	Unreadable bool      `json:"unreadable,omitempty"`
	CreatedAt  time.Time `json:"createdAt,omitzero"`
}

// Action is what an access key may be good for, for clients, which know no store.
type Action = accesskeys.Action

// AccessKeyRequest is the body of POST: what a new key is to be good for. Absent lists mean everything; empty ones are
// refused, since they come of something that went wrong.
type AccessKeyRequest struct {
	Description string                   `json:"description,omitempty"`
	APIs        Limit[gateway.APIID]     `json:"apis,omitzero"`
	Actions     Limit[accesskeys.Action] `json:"actions,omitzero"`
}

// Limit is a list that an access key is limited to; nil is no limit.
type Limit[T any] []T

// UnmarshalJSON refuses lists that limit to nothing.
func (l *Limit[T]) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, (*[]T)(l)); err != nil {
		return err
	}
	if len(*l) == 0 {
		return errors.New("an empty list is no limit")
	}
	return nil
}

type accessKeyList struct {
	AccessKeys []AccessKey `json:"accessKeys"`
}

func wireKey(k accesskeys.Key) AccessKey {
	return AccessKey{k.ID, k.Secret, k.Description, k.APIs, k.Actions, k.Unreadable, k.CreatedAt}
}

// listKeys answers GET /v1/access-keys: {"accessKeys": […]}, without secrets, in the store's order.
func (s *Server) listKeys(w http.ResponseWriter, r *http.Request, call managedCall) {
	if !s.keysFor(w, r, call) {
		return
	}
	keys, err := s.cfg.AccessKeys.List(r.Context())
	if err != nil {
		refuseError(w, err)
		return
	}
	list := accessKeyList{AccessKeys: make([]AccessKey, len(keys))}
	for i, k := range keys {
		list.AccessKeys[i] = wireKey(k)
	}
	answer(w, http.StatusOK, list)
}

// createKey answers POST /v1/access-keys with 201 and the new key, its secret included.
func (s *Server) createKey(w http.ResponseWriter, r *http.Request, call managedCall) {
	if !s.keysFor(w, r, call) {
		return
	}
	var want AccessKeyRequest
	if len(call.body) > 0 {
		in := json.NewDecoder(bytes.NewReader(call.body))
		in.DisallowUnknownFields() // a misspelt limit would be none
		if err := in.Decode(&want); err != nil || in.More() {
			refuse(w, http.StatusBadRequest, "The body must be a JSON object with description, apis and actions, each of which may be left out; lists must not be empty")
			return
		}
	}
	if !within(call.caller, want.Actions) {
		refuse(w, http.StatusForbidden, "An access key can't make one that may do more than itself")
		return
	}
	key, err := s.cfg.AccessKeys.Create(r.Context(), accesskeys.Request{Description: want.Description, APIs: want.APIs, Actions: want.Actions})
	if err != nil {
		refuseError(w, err)
		return
	}
	answer(w, http.StatusCreated, wireKey(key))
}

// within reports whether a key that is good for all APIs may do all of the actions, of which none means every one.
func within(k accesskeys.Key, actions []accesskeys.Action) bool {
	if len(actions) == 0 {
		actions = accesskeys.Actions()
	}
	for _, a := range actions {
		if !k.Allows(a, "") {
			return false
		}
	}
	return true
}

// deleteKey answers DELETE /v1/access-keys/{id} with 204.
func (s *Server) deleteKey(w http.ResponseWriter, r *http.Request, call managedCall) {
	if !s.keysFor(w, r, call) {
		return
	}
	id, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), pathAccessKeys+"/"))
	if err != nil {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	if err := s.cfg.AccessKeys.Delete(r.Context(), id); err != nil {
		refuseError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// keysFor reports whether the call may go on; else it has been answered. Access keys belong to no API: whoever is limited
// to some has no say here, whatever the query names.
func (s *Server) keysFor(w http.ResponseWriter, r *http.Request, call managedCall) bool {
	_, err := parameters(r.URL)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
	case !call.caller.Allows(accesskeys.ActionManage, ""):
		refuseCaller(w, deniedManage(call.caller))
	case s.cfg.AccessKeys == nil:
		refuse(w, http.StatusNotFound, "This process keeps no access keys")
	default:
		return true
	}
	return false
}

func refuseError(w http.ResponseWriter, err error) {
	code, message := publicError(err)
	refuse(w, statusOf(code), message)
}

// CreateAccessKey makes a key; the answer alone has its secret.
func (c *Client) CreateAccessKey(ctx context.Context, r AccessKeyRequest) (AccessKey, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return AccessKey{}, gateway.Errorf(gateway.CodeBadRequest, "the access key can't be written as JSON").Because(err)
	}
	var key AccessKey
	header := http.Header{"Content-Type": {"application/json"}}
	err = c.answer(ctx, call{method: http.MethodPost, path: pathAccessKeys, header: header, body: body}, &key)
	return key, err
}

// AccessKeys returns all keys but the root key, without their secrets: first what is unreadable, then the others, oldest
// first.
func (c *Client) AccessKeys(ctx context.Context) ([]AccessKey, error) {
	var list accessKeyList
	err := c.answer(ctx, call{method: http.MethodGet, path: pathAccessKeys}, &list)
	return list.AccessKeys, err
}

// DeleteAccessKey removes a key.
func (c *Client) DeleteAccessKey(ctx context.Context, id string) error {
	return c.answer(ctx, call{method: http.MethodDelete, path: pathAccessKeys + "/" + url.PathEscape(id)}, nil)
}
