package mapping

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/gateway"
)

const (
	stageVariablePrefix = "stageVariables."
	// proxyParameter is greedy even when it is written {proxy}, as Amazon's integration URIs do
	// (contract/http-api.md §7.2).
	proxyParameter = "proxy"
)

// hostText is what a client's value may be made of in the host of a URI: nothing that moves the request elsewhere.
var hostText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9.-]+$`) })

// URI is a parsed integration URI with its placeholders.
type URI struct {
	parts []uriPart
}

type uriKind uint8

const (
	uriLiteral uriKind = iota + 1
	uriStageVariable
	uriSegment // {name}: one path segment
	uriGreedy  // {name+} and {proxy}: slashes stay
)

type uriPart struct {
	kind uriKind
	text string
}

// ParseURI reads an integration URI with ${stageVariables.name}, {name} and {name+}. An error is a *SyntaxError.
func ParseURI(s string) (*URI, error) {
	u := &URI{}
	literal := 0
	for i := 0; i < len(s); i++ {
		isVariable := strings.HasPrefix(s[i:], "${")
		if !isVariable && s[i] != '{' {
			continue
		}
		if i > literal {
			u.parts = append(u.parts, uriPart{uriLiteral, s[literal:i]})
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return nil, syntaxError(s, i, "the brace is not closed", "write {name} or ${stageVariables.name}")
		}
		end += i
		p, err := parsePlaceholder(s, i, end)
		if err != nil {
			return nil, err
		}
		u.parts = append(u.parts, p)
		i = end
		literal = end + 1
	}
	if literal < len(s) {
		u.parts = append(u.parts, uriPart{uriLiteral, s[literal:]})
	}
	return u, nil
}

// parsePlaceholder reads s[start:end], without the closing brace.
func parsePlaceholder(s string, start, end int) (uriPart, error) {
	if text, ok := strings.CutPrefix(s[start:end], "${"); ok {
		name, isStage := strings.CutPrefix(text, stageVariablePrefix)
		if !isStage || !parameterName().MatchString(name) {
			return uriPart{}, syntaxError(s, start, "unknown variable ${"+text+"}", "write ${stageVariables.name}")
		}
		return uriPart{uriStageVariable, name}, nil
	}
	name, greedy := strings.CutSuffix(s[start+1:end], "+")
	if name == "" {
		return uriPart{}, syntaxError(s, start, "the placeholder has no name", "write {name}")
	}
	if greedy || name == proxyParameter {
		return uriPart{uriGreedy, name}, nil
	}
	return uriPart{uriSegment, name}, nil
}

// StageVariables returns the names of the stage variables that u needs, sorted.
func (u *URI) StageVariables() []string { return u.names(uriStageVariable) }

// PathParameters returns the names of the placeholders that u needs, sorted.
func (u *URI) PathParameters() []string { return u.names(uriSegment, uriGreedy) }

func (u *URI) names(kinds ...uriKind) []string {
	var names []string
	for _, p := range u.parts {
		if slices.Contains(kinds, p.kind) {
			names = append(names, p.text)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// MarkGreedy returns the text of u with {name} written {name+}, so that ExpandURI knows that its slashes stay. The route
// key alone says which parameter is greedy.
func (u *URI) MarkGreedy(name string) string {
	var b strings.Builder
	for _, p := range u.parts {
		switch {
		case p.kind == uriLiteral:
			b.WriteString(p.text)
		case p.kind == uriStageVariable:
			b.WriteString("${" + stageVariablePrefix + p.text + "}")
		case p.kind == uriGreedy || p.text == name:
			b.WriteString("{" + p.text + "+}")
		default:
			b.WriteString("{" + p.text + "}")
		}
	}
	return b.String()
}

// ExpandURI fills the placeholders of an integration URI. ${stageVariables.name} is put in as it stands, so it may be a
// whole host. Values of path are not encoded yet: {name} becomes one escaped segment, {name+}, {proxy} and {proxy+} keep
// their slashes, behind a ? both are escaped for a query (contract/http-api.md §7.2, §7.4).
//
// The error is a *gateway.Error: CodeIntegration when the definition does not fit the values, CodeBadRequest when a
// value would lead the request out of its path or to another host.
func ExpandURI(uri string, vars map[string]string, path map[string]string) (string, error) {
	u, err := ParseURI(uri)
	if err != nil {
		return "", unfit(fmt.Errorf("uri: %w", err))
	}
	return u.Expand(vars, path)
}

// Expand is ExpandURI for a parsed URI.
func (u *URI) Expand(vars map[string]string, path map[string]string) (string, error) {
	var out strings.Builder
	filled := false
	for _, p := range u.parts {
		switch p.kind {
		case uriLiteral:
			out.WriteString(p.text)
		case uriStageVariable:
			value, ok := vars[p.text]
			if !ok {
				return "", unfit(fmt.Errorf("uri: the stage has no variable %q", p.text))
			}
			out.WriteString(value)
		case uriSegment, uriGreedy:
			value, ok := path[p.text]
			if !ok {
				return "", unfit(fmt.Errorf("uri: no value for {%s}", p.text))
			}
			escaped, ok := escapeFor(areaOf(out.String()), p.kind, value)
			if !ok {
				return "", gateway.Errorf(gateway.CodeBadRequest, "Bad Request").Because(fmt.Errorf("uri: {%s} can't stand in a host", p.text))
			}
			out.WriteString(escaped)
			filled = true
		}
	}
	s := out.String()
	if filled && hasDotSegment(s) {
		// A deliberate difference: Amazon documents no normalisation (contract/http-api.md §3.20).
		return "", gateway.Errorf(gateway.CodeBadRequest, "Bad Request").Because(fmt.Errorf("uri: a path parameter makes a dot segment"))
	}
	return s, nil
}

func unfit(cause error) *gateway.Error {
	return gateway.Errorf(gateway.CodeIntegration, "Internal server error").Because(cause)
}

// uriArea is the part of a URI in which a value lands.
type uriArea uint8

const (
	areaHost uriArea = iota + 1
	areaPath
	areaQuery
)

// areaOf says where the text that follows prefix stands.
func areaOf(prefix string) uriArea {
	_, rest, found := strings.Cut(prefix, "://")
	switch {
	case !found:
		return areaHost
	case strings.Contains(rest, "?"):
		return areaQuery
	case strings.Contains(rest, "/"):
		return areaPath
	}
	return areaHost
}

func escapeFor(area uriArea, kind uriKind, value string) (string, bool) {
	switch {
	case area == areaHost:
		return value, hostText().MatchString(value)
	case area == areaQuery:
		return url.QueryEscape(value), true
	case kind == uriGreedy:
		segments := strings.Split(value, "/")
		for i := range segments {
			segments[i] = url.PathEscape(segments[i])
		}
		return strings.Join(segments, "/"), true
	}
	return url.PathEscape(value), true
}

// hasDotSegment reports whether the path of uri has a segment that servers resolve: "." or "..".
func hasDotSegment(uri string) bool {
	_, rest, _ := strings.Cut(uri, "://")
	rest, _, _ = strings.Cut(rest, "?")
	_, path, _ := strings.Cut(rest, "/")
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
