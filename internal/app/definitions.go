package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
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

// compile returns the table of all files' stages, or every problem there is. It changes nothing that is live.
func (d *definitions) compile() (*router.Table, []definition.Problem) {
	documents, problems := loadFiles(d.files)
	var programs []*router.Program
	for _, doc := range documents {
		compiled, faults := d.compileAPI(doc.API)
		problems = append(problems, doc.Explain(faults)...)
		programs = append(programs, compiled...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return router.NewTable(programs, d.domain), nil
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

// loadFiles reads the documents and refuses two files for one API.
func loadFiles(files []string) ([]*definition.Document, []definition.Problem) {
	var documents []*definition.Document
	var problems []definition.Problem
	first := make(map[gateway.APIID]string)
	for _, file := range files {
		doc, faults := definition.LoadFile(file)
		problems = append(problems, faults...)
		if doc == nil {
			continue
		}
		if other, taken := first[doc.API.APIID]; taken {
			problems = append(problems, doc.Locate(gateway.Fault{
				Path: []string{"apiId"}, Problem: fmt.Sprintf("the API %q is already defined by %s", doc.API.APIID, other),
				Hint: "give one of the files another apiId, or name each file once"}))
			continue
		}
		first[doc.API.APIID] = file
		documents = append(documents, doc)
	}
	return documents, problems
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
