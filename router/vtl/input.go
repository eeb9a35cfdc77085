package vtl

import (
	"errors"
	"time"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// input is $input (§4).
type input struct {
	r  *run
	in *Input

	read     bool // whether document is
	document any
	params   *value.Map
	text     string
}

// String prints $input itself as nothing.
func (*input) String() string { return "" }

// noDeadline is the time that a meter takes for none.
func noDeadline() time.Time { return time.Time{} }

// emptyBody is what $input.body shows of no body (§4.1).
const emptyBody = "{}"

// body is $input.body.
func (i *input) body() string {
	if len(i.in.Body) == 0 {
		return emptyBody
	}
	if i.text == "" {
		i.text = string(i.in.Body)
	}
	return i.text
}

// call is a method of $input.
func (i *input) call(name string, args []any) (any, error) {
	var arg string
	switch len(args) {
	case 0:
		switch name {
		case "params":
			return i.allParams()
		case "getBody":
			return i.body(), nil
		}
		return nil, nil
	case 1:
		text, ok := args[0].(string)
		if !ok {
			return nil, nil
		}
		arg = text
	default:
		return nil, nil
	}
	switch name {
	case "params":
		return i.param(arg)
	case "path":
		v, _, err := i.path(arg)
		return v, err
	case "json":
		return i.json(arg)
	}
	return nil, nil
}

// path is $input.path: what a JSON path finds in the body, null if there is nothing (§4.3).
func (i *input) path(expr string) (any, bool, error) {
	if err := i.decode(); err != nil {
		return nil, false, err
	}
	p, err := i.r.template.paths.Get(expr)
	if err != nil {
		return nil, false, err
	}
	if i.document == nil {
		return nil, false, nil
	}
	return p.Eval(i.document, i.r.listStyle(), i.r.meter)
}

// json is $input.json: the same as JSON text, "" in quotes if there is nothing (§4.5).
func (i *input) json(expr string) (any, error) {
	v, _, err := i.path(expr)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return `""`, nil
	}
	text, err := value.AppendJSON(nil, v, i.r.meter)
	return string(text), err
}

// decode parses the body once. A body that is not JSON is null (§4.5).
func (i *input) decode() error {
	if i.read {
		return nil
	}
	i.read = true
	if len(i.in.Body) == 0 {
		return nil
	}
	v, err := value.Decode(i.in.Body, i.r.listStyle(), i.r.meter)
	switch {
	case errors.Is(err, value.ErrWork), errors.Is(err, value.ErrTime):
		return err
	case err != nil && i.r.template.options.InvalidBodyFails:
		return &fault{"the body is not JSON", ""}
	case err == nil:
		i.document = v
	}
	return nil
}

// allParams is $input.params() (§4.2).
func (i *input) allParams() (any, error) {
	if i.params != nil {
		return i.params, nil
	}
	all := value.NewMap(3)
	for _, part := range []struct {
		name string
		of   Object
	}{{"path", i.in.Params.Path}, {"querystring", i.in.Params.Querystring}, {"header", i.in.Params.Header}} {
		m, err := part.of.strings(i.r)
		if err != nil {
			return nil, err
		}
		all.Put(part.name, m)
	}
	i.params = all
	return all, nil
}

// param is $input.params('x'): from the path, else the query, else the headers, else the empty string (§4.2). It is a
// real empty string, unlike other things that are missing, so that .length() of it is 0.
func (i *input) param(name string) (any, error) {
	if _, err := i.allParams(); err != nil {
		return nil, err
	}
	for _, e := range i.params.Entries() {
		if m, ok := e.Value.(*value.Map); ok {
			if v, ok := m.Get(name); ok {
				return v, nil
			}
		}
	}
	return "", nil
}
