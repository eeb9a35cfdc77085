package router

import (
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// Table is all live programs and their addresses. It never changes; a new one is put in force by Live.Swap.
type Table struct {
	programs []*Program
	apis     map[gateway.APIID]stages
	// usual are the APIs that have addresses besides their custom domains.
	usual map[gateway.APIID]stages
	// names are the stages that any API has, for callbacks without an API.
	names map[gateway.StageName]struct{}
	// suffix is ".domain" in lower case, "" when there is no host style.
	suffix string
	custom domains
}

// stages are the programs of one API.
type stages map[gateway.StageName]*Program

// NewTable makes a table. domain is the base of host-style addresses, such as localhost for chat.localhost; "" turns
// them off. Of two programs with the same API and stage the later counts.
func NewTable(programs []*Program, domain string) *Table {
	t := &Table{
		apis:  make(map[gateway.APIID]stages),
		usual: make(map[gateway.APIID]stages),
		names: make(map[gateway.StageName]struct{}),
	}
	if domain = strings.ToLower(strings.Trim(domain, ".")); domain != "" {
		t.suffix = "." + domain
	}
	for _, p := range programs {
		if t.apis[p.api] == nil {
			t.apis[p.api] = make(stages)
		}
		t.apis[p.api][p.stage] = p
		t.names[p.stage] = struct{}{}
	}
	for _, p := range programs {
		if t.apis[p.api][p.stage] == p {
			t.programs = append(t.programs, p)
			t.addUsual(p)
			t.custom.add(p)
		}
	}
	return t
}

// addUsual gives a program its addresses besides custom domains, if it has any.
func (t *Table) addUsual(p *Program) {
	if p.onlyDomains {
		return
	}
	if t.usual[p.api] == nil {
		t.usual[p.api] = make(stages)
	}
	t.usual[p.api][p.stage] = p
}

// Programs returns all programs, in the order in which they were given. The caller must not change the slice.
func (t *Table) Programs() []*Program { return t.programs }

// Program returns the program of an API on a stage, or nil.
func (t *Table) Program(api gateway.APIID, stage gateway.StageName) *Program {
	return t.apis[api][stage]
}
