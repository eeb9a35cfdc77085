package deployment

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// Version is that of the records that this build writes. It reads no newer ones: what it does not know might matter.
const Version = 1

// MaxRecordBytes bounds a record before it is parsed: a definition of the largest size, written as JSON.
const MaxRecordBytes = 8 << 20

// Frozen is one deployment: a definition as it was when it was applied. It never changes.
type Frozen struct {
	Version int           `json:"version"`
	API     gateway.APIID `json:"apiId"`
	// ID is a digest of Definition, so the same definition is the same deployment wherever it comes from.
	ID gateway.DeploymentID `json:"deploymentId"`
	// CreatedAt is when it was stored first, in UTC.
	CreatedAt time.Time `json:"createdAt"`
	// Definition is the whole document, its stages with their settings included.
	Definition json.RawMessage `json:"definition"`
}

// Live says what is served: for each API the deployment that each of its stages points at. One record holds all of it, so
// that one compare-and-set changes whatever belongs together.
type Live struct {
	Version int                    `json:"version"`
	APIs    map[gateway.APIID]*API `json:"apis"`
}

// API is what Live says of one API.
type API struct {
	Stages map[gateway.StageName]Stage `json:"stages"`
	// Deployments are those that are kept, the last applied first. Every one that a stage points at is among them.
	Deployments []Kept `json:"deployments"`
}

// Stage points at the deployment that a stage serves, since when.
type Stage struct {
	Deployment gateway.DeploymentID `json:"deploymentId"`
	DeployedAt time.Time            `json:"deployedAt"`
}

// Kept is a deployment that a stage may be pointed at.
type Kept struct {
	ID        gateway.DeploymentID `json:"deploymentId"`
	CreatedAt time.Time            `json:"createdAt"`
}

// Node is what a process of the gateway registers, for as long as it lives.
type Node struct {
	Version int `json:"version"`
	// Node is the process's --node, Instance one life of it.
	Node     string    `json:"node"`
	Instance string    `json:"instance"`
	Roles    []string  `json:"roles"`
	Build    string    `json:"build,omitempty"`
	Started  time.Time `json:"startedAt"`
}

// Step is what a Question asks of a node.
type Step string

// The steps of a deployment.
const (
	// StepPrepare asks whether the node can serve Live, and that it gets ready to.
	StepPrepare Step = "prepare"
	// StepLive asks for the moment from which the node serves Revision, or a later one.
	StepLive Step = "live"
)

// Question goes to every node.
type Question struct {
	Version int  `json:"version"`
	Step    Step `json:"step"`
	// Live is what is to be served, at StepPrepare.
	Live *Live `json:"live,omitempty"`
	// Revision is that of the catalog, at StepLive.
	Revision uint64 `json:"revision,omitempty"`
}

// Answer is what a node says to a Question: yes, when there is no fault.
type Answer struct {
	Version int     `json:"version"`
	Node    string  `json:"node"`
	Faults  []Fault `json:"faults,omitempty"`
}

// Fault is one reason why a node can't serve a stage.
type Fault struct {
	API   gateway.APIID     `json:"apiId,omitempty"`
	Stage gateway.StageName `json:"stage,omitempty"`
	// Problem says what is wrong and where in the definition.
	Problem string `json:"problem"`
}

// String names API and stage before the problem.
func (f Fault) String() string {
	switch {
	case f.API == "":
		return f.Problem
	case f.Stage == "":
		return string(f.API) + ": " + f.Problem
	}
	return string(f.API) + "/" + string(f.Stage) + ": " + f.Problem
}

// Encode writes a record. Nothing in the types above is beyond JSON.
func Encode(record any) ([]byte, error) { return json.Marshal(record) }

// record are the types that Decode reads.
type record interface {
	Frozen | Live | Node | Question | Answer
}

// Decode reads a record that may come from anybody. Members that this build does not know are passed over; a version that
// it does not know is an error that says so.
func Decode[R record](data []byte) (*R, error) {
	if len(data) > MaxRecordBytes {
		return nil, fmt.Errorf("a record of %d bytes is too large", len(data))
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("a record is malformed: %w", err)
	}
	if head.Version < 1 || head.Version > Version {
		return nil, fmt.Errorf("a record has version %d, and this build knows version %d: update it", head.Version, Version)
	}
	r := new(R)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("a record is malformed: %w", err)
	}
	if l, ok := any(r).(*Live); ok {
		for id, api := range l.APIs {
			if api == nil { // written as null
				delete(l.APIs, id)
			}
		}
	}
	return r, nil
}
