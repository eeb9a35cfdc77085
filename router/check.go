package router

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// maxRouteKeyBytes keeps a subject below the 3,500 bytes that DESIGN §3.2 allows even when each byte of the key is
	// percent-encoded.
	maxRouteKeyBytes = 1024
	maxStageVarValue = 2048 // contract/websocket-api.md §11, the V2 model's figure
)

var stageVariableForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\w{1,64}$`) }) // contract/control-plane.md, Stage

// place names a spot in the document by its keys.
type place []string

func at(keys ...string) place { return keys }

// under returns the place below p; p itself is not changed.
func (p place) under(keys ...string) place { return slices.Concat(p, keys) }

// check collects everything that is wrong with one API.
type check struct {
	api    *gateway.API
	config Config
	kind   kind
	limits gateway.Limits
	// stages are those whose variables the URIs must find: the deployed one, or all that the document names.
	stages []gateway.StageName
	faults []gateway.Fault
	models map[string]*jsonschema.Schema // those that compile
}

func (c *check) fault(where place, problem, hint string) {
	c.faults = append(c.faults, gateway.Fault{Path: where, Problem: problem, Hint: hint})
}

// all runs every check of the definition. Later checks do not depend on earlier ones, so that a person sees all faults
// at once.
func (c *check) all() {
	c.checkHead()
	c.checkLimits()
	c.checkStages()
	c.checkDomains()
	c.checkSharedIntegrations()
	if c.kind != nil {
		c.kind.checkAPI(c)
		c.kind.checkRoutes(c)
	}
	c.checkRouteIntegrations()
	c.checkAccess()
	c.faults = withoutRepeats(c.faults)
}

func (c *check) checkHead() {
	id := c.api.APIID
	switch {
	case !id.Valid():
		c.fault(at("apiId"), fmt.Sprintf("%q can't be an API id", id), "1 to 64 of a-z, 0-9 and '-'")
	case id.Reserved():
		c.fault(at("apiId"), fmt.Sprintf("%q is the path of a management call", id), "choose another id")
	}
	if c.api.Name == "" {
		c.fault(at("name"), "the API has no name", "")
	}
	if c.kind == nil {
		c.fault(at("protocolType"), fmt.Sprintf("unknown protocol %q", c.api.Protocol), "WEBSOCKET or HTTP")
	}
	if c.api.MaxInFlight < 0 || c.api.MaxInFlight > gateway.MaxInFlightCeiling {
		c.fault(at("maxInFlight"), fmt.Sprintf("%d is out of range", c.api.MaxInFlight), fmt.Sprintf("1 to %d; 1 keeps strict order", gateway.MaxInFlightCeiling))
	}
	if len(c.api.Routes) == 0 {
		c.fault(at("routes"), "the API has no routes", "")
	}
}

func (c *check) checkStages() {
	for _, name := range slices.Sorted(maps.Keys(c.api.Stages)) {
		c.checkStage(name)
	}
}

func (c *check) checkStage(name gateway.StageName) {
	where := at("stages", string(name))
	if !name.Valid() {
		c.fault(where, fmt.Sprintf("%q can't be a stage name", name), "letters, digits, '-' and '_', at most 128, or $default")
	}
	variables := stageVariables(c.api, name)
	for _, key := range slices.Sorted(maps.Keys(variables)) {
		if !stageVariableForm().MatchString(key) {
			c.fault(where.under("variables", key), fmt.Sprintf("%q can't be a stage variable", key), "letters, digits and '_', at most 64")
		}
		if len(variables[key]) > maxStageVarValue {
			c.fault(where.under("variables", key), "the value is too long", fmt.Sprintf("at most %d bytes", maxStageVarValue))
		}
	}
}

// stageVariables returns nil for a stage that the document does not name.
func stageVariables(api *gateway.API, name gateway.StageName) map[string]string {
	if s := api.Stages[name]; s != nil {
		return s.Variables
	}
	return nil
}

func stageDomains(api *gateway.API, name gateway.StageName) []*gateway.DomainMapping {
	if s := api.Stages[name]; s != nil {
		return s.Domains
	}
	return nil
}

// routeKeys returns the keys in the order in which faults are reported.
func (c *check) routeKeys() []gateway.RouteKey { return slices.Sorted(maps.Keys(c.api.Routes)) }

// checkKeySize is the rule that route keys of all kinds share.
func (c *check) checkKeySize(key gateway.RouteKey) {
	if len(key) > maxRouteKeyBytes {
		c.fault(at("routes", string(key)), "the route key is too long", fmt.Sprintf("at most %d bytes", maxRouteKeyBytes))
	}
}

// withoutRepeats drops a fault that two checks found, such as the router's and an integration kind's.
func withoutRepeats(list []gateway.Fault) []gateway.Fault {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(f gateway.Fault) bool {
		id := strings.Join(f.Path, "\x00") + "\x00\x00" + f.Problem
		repeated := seen[id]
		seen[id] = true
		return repeated
	})
}
