package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// Deployments is what is behind /v1/apis. Its methods may be called concurrently. Beside *gateway.Error they return
// *catalog.RefusedError, and catalog.ErrNotFound.
type Deployments interface {
	// Apply deploys definitions, each the JSON of an API, to the stage or, when it is "", to those that they name.
	Apply(ctx context.Context, definitions []json.RawMessage, stage gateway.StageName) (Applied, error)
	Live(ctx context.Context) (*deployment.Live, error)
	// Remove takes a stage out of what is live, or with "" the whole API.
	Remove(ctx context.Context, api gateway.APIID, stage gateway.StageName) error
}

const (
	pathAPIs = "/v1/apis"
	// maxAppliedBody bounds a body with definitions: those of two files of the largest size.
	maxAppliedBody = 8 << 20
)

// ApplyRequest is the body of POST /v1/apis.
type ApplyRequest struct {
	Definitions []json.RawMessage `json:"definitions"`
	Stage       gateway.StageName `json:"stage,omitempty"`
}

// Applied is the answer: what is live now, on how many nodes, and how long the last of them took after the commit.
type Applied struct {
	Revision catalogRevision `json:"revision"`
	Stages   []AppliedStage  `json:"stages"`
	Nodes    int             `json:"nodes"`
	// Behind are the nodes that do not serve it yet, with what they say.
	Behind     []string `json:"behind,omitempty"`
	LiveMillis float64  `json:"liveMillis"`
}

type catalogRevision = catalog.Revision

// AppliedStage is a stage and the deployment that it serves.
type AppliedStage struct {
	API        gateway.APIID        `json:"apiId"`
	Stage      gateway.StageName    `json:"stage"`
	Deployment gateway.DeploymentID `json:"deploymentId"`
}

// applyAPIs answers POST /v1/apis.
func (s *Server) applyAPIs(w http.ResponseWriter, r *http.Request, call managedCall) {
	if !s.deploys(w) {
		return
	}
	var want ApplyRequest
	in := json.NewDecoder(bytes.NewReader(call.body))
	in.DisallowUnknownFields()
	if err := in.Decode(&want); err != nil || in.More() || len(want.Definitions) == 0 {
		refuse(w, http.StatusBadRequest, "The body must be a JSON object with definitions, and stage if there is to be one")
		return
	}
	for _, definition := range want.Definitions {
		var head struct {
			API gateway.APIID `json:"apiId"`
		}
		if json.Unmarshal(definition, &head) != nil || !call.caller.Allows(accesskeys.ActionManage, head.API) {
			refuseCaller(w, deniedManage(call.caller))
			return
		}
	}
	applied, err := s.cfg.Deployments.Apply(r.Context(), want.Definitions, want.Stage)
	if err != nil {
		refuseDeployment(w, err)
		return
	}
	answer(w, http.StatusOK, applied)
}

// listAPIs answers GET /v1/apis with the Live record.
func (s *Server) listAPIs(w http.ResponseWriter, r *http.Request, call managedCall) {
	if !s.deploys(w) {
		return
	}
	if !call.caller.Allows(accesskeys.ActionManage, "") {
		refuseCaller(w, deniedManage(call.caller))
		return
	}
	live, err := s.cfg.Deployments.Live(r.Context())
	if err != nil {
		refuseError(w, err)
		return
	}
	answer(w, http.StatusOK, live)
}

// deleteAPI answers DELETE /v1/apis/{id}?stage= with 204.
func (s *Server) deleteAPI(w http.ResponseWriter, r *http.Request, call managedCall) {
	if !s.deploys(w) {
		return
	}
	query, err := parameters(r.URL, "stage", "api")
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	id, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), pathAPIs+"/"))
	if err != nil {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	if !call.caller.Allows(accesskeys.ActionManage, gateway.APIID(id)) {
		refuseCaller(w, deniedManage(call.caller))
		return
	}
	if err := s.cfg.Deployments.Remove(r.Context(), gateway.APIID(id), gateway.StageName(query.Get("stage"))); err != nil {
		refuseDeployment(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// deploys reports whether this process has a catalog; else the call has been answered.
func (s *Server) deploys(w http.ResponseWriter) bool {
	if s.cfg.Deployments == nil {
		refuse(w, http.StatusNotFound, "This process takes no deployments: it runs without the control role, or is dev, which serves its files")
		return false
	}
	return true
}

func refuseDeployment(w http.ResponseWriter, err error) {
	var refused *catalog.RefusedError
	switch {
	case errors.As(err, &refused):
		refuse(w, http.StatusConflict, refused.Error())
	case errors.Is(err, catalog.ErrNotFound):
		refuse(w, http.StatusNotFound, "Nothing of that name is live")
	default:
		refuseError(w, err)
	}
}

// Apply deploys definitions, each the JSON of an API.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (Applied, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return Applied{}, gateway.Errorf(gateway.CodeBadRequest, "the definitions can't be written as JSON").Because(err)
	}
	var applied Applied
	header := http.Header{"Content-Type": {"application/json"}}
	err = c.answer(ctx, call{method: http.MethodPost, path: pathAPIs, header: header, body: body}, &applied)
	return applied, err
}

// APIs returns what is live.
func (c *Client) APIs(ctx context.Context) (*deployment.Live, error) {
	live := new(deployment.Live)
	err := c.answer(ctx, call{method: http.MethodGet, path: pathAPIs}, live)
	return live, err
}

// RemoveAPI takes a stage out of what is live, or with "" the whole API.
func (c *Client) RemoveAPI(ctx context.Context, api gateway.APIID, stage gateway.StageName) error {
	path := pathAPIs + "/" + url.PathEscape(string(api)) + "?" + url.Values{"api": {string(api)}}.Encode()
	if stage != "" {
		path += "&" + url.Values{"stage": {string(stage)}}.Encode()
	}
	return c.answer(ctx, call{method: http.MethodDelete, path: path}, nil)
}
