package vtl

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// Input is what a template sees of a request, or of a backend's answer. Whoever fills it decides what is in there: a
// template gets at nothing else.
type Input struct {
	// Body is $input.body, and parsed as JSON at the first $input.path or $input.json (§4.1, §4.5).
	Body   []byte
	Params Params
	// Context is $context without its override maps (§6.1).
	Context Object
	// StageVariables is $stageVariables (§6.7).
	StageVariables Object
	// Overrides carries what a request template set over to the response template (§7.3); nil for a request template.
	Overrides *Overrides
}

// Params are the maps of $input.params(): the path's parameters, the query's and the headers. Where a name has several
// values the last one counts (§4.2).
type Params struct{ Path, Querystring, Header Object }

// Object is a JSON object that a template may read. It is decoded only if the template does. The zero value is empty.
type Object struct {
	text    []byte
	members []Member
}

// Member is one member of an Object.
type Member struct{ Name, Value string }

// JSON makes an Object of the text of a JSON object; members keep their order. Text that is none is an empty Object.
func JSON(text []byte) Object { return Object{text: text} }

// Members makes an Object of members in this order.
func Members(members []Member) Object { return Object{members: members} }

// Strings makes an Object of a map, in the order of the names.
func Strings(m map[string]string) Object {
	members := make([]Member, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		members = append(members, Member{name, m[name]})
	}
	return Object{members: members}
}

// decode makes the map. The only errors are those of the meter.
func (o Object) decode(r *run) (*value.Map, error) {
	if len(o.text) > 0 {
		v, err := value.Decode(o.text, r.listStyle(), r.meter)
		if m, ok := v.(*value.Map); ok {
			return m, nil
		}
		if err == value.ErrTime || err == value.ErrWork {
			return nil, err
		}
		return value.NewMap(0), nil
	}
	m := value.NewMap(len(o.members))
	for _, member := range o.members {
		m.Put(member.Name, member.Value)
	}
	return m, r.meter.Spend(workPerItem * len(o.members))
}

// strings is decode with nothing but strings in it: lists give their last item.
func (o Object) strings(r *run) (*value.Map, error) {
	m, err := o.decode(r)
	if err != nil {
		return nil, err
	}
	entries := m.Entries()
	for i := range entries {
		v := entries[i].Value
		if l, ok := v.(*value.List); ok && len(l.Items) > 0 {
			v = l.Items[len(l.Items)-1]
		}
		if v == nil {
			v = ""
		}
		if entries[i].Value, err = value.Text(v, r.meter); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// listStyle is how lists out of JSON print.
func (r *run) listStyle() value.Style {
	if r.template.options.PlainSlashes {
		return value.StyleLight
	}
	return value.StyleWeb
}

// load makes $context or $stageVariables at its first use.
func (r *run) load(slot int) (any, error) {
	if slot == slotStage {
		return r.input.in.StageVariables.decode(r)
	}
	m, err := r.input.in.Context.decode(r)
	if err != nil {
		return nil, err
	}
	silence(m, 0)
	if r.overrides == nil {
		r.overrides = newOverrides()
	}
	m.Put("requestOverride", r.overrides.request)
	m.Put("responseOverride", r.overrides.response)
	return m, nil
}

// silence makes the objects of $context print as nothing (§6.3).
func silence(m *value.Map, depth int) {
	m.Silent = true
	for _, e := range m.Entries() {
		if inner, ok := e.Value.(*value.Map); ok && depth < value.MaxDepth {
			silence(inner, depth+1)
		}
	}
}

// Result is what a render gives.
type Result struct {
	// Output is dst with the output behind it.
	Output []byte
	// Overrides are what the template set, together with what it was given; nil if it was given none and did not look at
	// $context. It belongs to the caller.
	Overrides *Overrides
}

// Overrides are $context.requestOverride and $context.responseOverride (§7). A nil *Overrides is empty. It is not safe
// for concurrent use.
type Overrides struct{ request, response *value.Map }

// The members of the override maps.
const (
	overridePath        = "path"
	overrideQuerystring = "querystring"
	overrideHeader      = "header"
	overrideStatus      = "status"
)

// newOverrides makes the maps, which always exist.
func newOverrides() *Overrides {
	o := &Overrides{request: value.NewMap(3), response: value.NewMap(2)}
	for _, name := range []string{overrideHeader, overridePath, overrideQuerystring} {
		o.request.Put(name, &value.Map{Silent: true})
	}
	o.response.Put(overrideHeader, &value.Map{Silent: true})
	o.request.Silent, o.response.Silent = true, true
	return o
}

// Override is one name of an override map with its values: several if the template gave a list (§7.1).
type Override struct {
	Name   string
	Values []string
}

// RequestHeader, RequestPath and RequestQuerystring are what replaces the request's own, in the order in which it was
// set; ResponseHeader is the same for the response.
func (o *Overrides) RequestHeader() []Override      { return o.list(false, overrideHeader) }
func (o *Overrides) RequestPath() []Override        { return o.list(false, overridePath) }
func (o *Overrides) RequestQuerystring() []Override { return o.list(false, overrideQuerystring) }
func (o *Overrides) ResponseHeader() []Override     { return o.list(true, overrideHeader) }

// overrideWork is what turning overrides into text may cost; the template's own work is already bounded.
const overrideWork = 1 << 20

func (o *Overrides) list(response bool, name string) []Override {
	if o == nil {
		return nil
	}
	of := o.request
	if response {
		of = o.response
	}
	v, _ := of.Get(name)
	m, ok := v.(*value.Map)
	if !ok {
		return nil
	}
	meter := value.NewMeter(overrideWork, noDeadline())
	var all []Override
	for _, e := range m.Entries() {
		items, isList := value.Items(e.Value)
		if !isList {
			items = []any{e.Value}
		}
		key, err := value.Text(e.Key, meter)
		values := make([]string, 0, len(items))
		for _, item := range items {
			text, failed := value.Text(item, meter)
			if failed != nil {
				err = failed
				break
			}
			values = append(values, text)
		}
		if err == nil {
			all = append(all, Override{key, values})
		}
	}
	return all
}

// The statuses that an override may set (§7.4).
const (
	minStatus = 100
	maxStatus = 599
)

// Status is the status that the response is to have, if the template set a whole number from 100 to 599; anything else
// is ignored (§7.4).
func (o *Overrides) Status() (int, bool) {
	if o == nil {
		return 0, false
	}
	v, _ := o.response.Get(overrideStatus)
	switch v.(type) {
	case int32, int64:
		n := value.Long(v)
		return int(n), n >= minStatus && n <= maxStatus
	}
	return 0, false
}

// MarshalJSON writes {"requestOverride":{…},"responseOverride":{…}}.
func (o *Overrides) MarshalJSON() ([]byte, error) {
	if o == nil {
		o = newOverrides()
	}
	both := value.NewMap(2)
	both.Put("requestOverride", o.request)
	both.Put("responseOverride", o.response)
	text, err := value.AppendJSON(nil, both, value.NewMeter(overrideWork, noDeadline()))
	if err != nil {
		return nil, err
	}
	return json.RawMessage(text), nil
}
