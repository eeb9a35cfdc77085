package app

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/definition"
)

// definitions turns files into programs: load, check, compile. All faults of all files come out together, each with
// its place.
type definitions struct {
	files        []string
	defaultStage gateway.StageName
	router       router.Config
	domain       string
	now          func() time.Time
}

// compile returns the table of all files' stages, or every problem there is, file by file and line by line. It changes
// nothing that is live.
func (d *definitions) compile() (*router.Table, []definition.Problem) {
	var programs []*router.Program
	var problems []definition.Problem
	taken := claims{apis: make(map[gateway.APIID]string), domains: make(map[gateway.DomainMapping]string)}
	for _, file := range d.files {
		compiled, faults := d.compileFile(file, taken)
		programs = append(programs, compiled...)
		problems = append(problems, faults...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return router.NewTable(programs, d.domain), nil
}

// claims are what one file alone may define, with the file that does.
type claims struct {
	apis    map[gateway.APIID]string
	domains map[gateway.DomainMapping]string
}

// claimDomains takes the custom domains of an API, or says which are another file's.
func (c claims) claimDomains(api *gateway.API, file string) []gateway.Fault {
	var faults []gateway.Fault
	for _, stage := range stagesOf(api) {
		if api.Stages[stage] == nil {
			continue
		}
		for i, m := range api.Stages[stage].Domains {
			if m == nil {
				continue // the router's fault
			}
			if other, taken := c.domains[*m]; taken && other != file {
				faults = append(faults, gateway.Fault{
					Path:    []string{"stages", string(stage), "domains", strconv.Itoa(i)},
					Problem: fmt.Sprintf("%s is already served by %s", m, other), Hint: "give one of them another apiMappingKey",
				})
				continue
			}
			c.domains[*m] = file
		}
	}
	return faults
}

func (d *definitions) compileFile(file string, taken claims) ([]*router.Program, []definition.Problem) {
	doc, problems := definition.LoadFile(file)
	if doc == nil {
		return nil, problems
	}
	if other, defined := taken.apis[doc.API.APIID]; defined {
		return nil, append(problems, doc.Locate(gateway.Fault{
			Path: []string{"apiId"}, Problem: fmt.Sprintf("the API %q is already defined by %s", doc.API.APIID, other),
			Hint: "give one of the files another apiId, or name each file once"}))
	}
	taken.apis[doc.API.APIID] = file
	faults := taken.claimDomains(doc.API, file)
	programs, wrong := d.compileAPI(doc.API)
	faults = append(faults, wrong...)
	problems = append(problems, doc.Explain(faults)...)
	slices.SortStableFunc(problems, func(a, b definition.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return programs, problems
}

// compileAPI compiles an API once per stage. Stages differ in their variables alone, so the faults of the first stage
// that has any are the API's.
func (d *definitions) compileAPI(api *gateway.API) ([]*router.Program, []gateway.Fault) {
	if faults := router.Check(api, d.router); len(faults) > 0 {
		return nil, faults
	}
	if len(api.Stages) == 0 {
		api.Stages = map[gateway.StageName]*gateway.Stage{d.defaultStage: {}}
	}
	var programs []*router.Program
	for _, stage := range stagesOf(api) {
		program, faults := router.Compile(&gateway.Deployment{ID: deploymentID(api), API: api, Stage: stage, CreatedAt: d.now()}, d.router)
		if len(faults) > 0 {
			return nil, faults
		}
		programs = append(programs, program)
	}
	return programs, nil
}

func stagesOf(api *gateway.API) []gateway.StageName {
	stages := make([]gateway.StageName, 0, len(api.Stages))
	for name := range api.Stages {
		stages = append(stages, name)
	}
	slices.Sort(stages)
	return stages
}

// deploymentIDLength is that of Amazon's deployment ids at most.
const deploymentIDLength = 10

// deploymentID is a digest of the definition, so that every process that loads the same file names the same deployment.
func deploymentID(api *gateway.API) gateway.DeploymentID {
	document, err := json.Marshal(api)
	if err != nil {
		// Strings, numbers and maps of them: there is nothing in an API that JSON can't hold.
		panic(fmt.Sprintf("encode API %s: %v", api.APIID, err))
	}
	sum := sha256.Sum256(document)
	return gateway.DeploymentID(hex.EncodeToString(sum[:])[:deploymentIDLength])
}

// Validate returns every problem of every file. When there is none, it returns how many routes there are.
func Validate(files []string, prefix string) (routes int, problems []definition.Problem, err error) {
	config, err := routerConfig(prefix, 0)
	if err != nil {
		return 0, nil, err
	}
	d := definitions{files: files, defaultStage: ModeServe.defaultStage(), router: config, now: time.Now}
	table, problems := d.compile()
	if len(problems) > 0 {
		return 0, problems, nil
	}
	for _, p := range table.Programs() {
		routes += len(p.Routes())
	}
	return routes, nil, nil
}
