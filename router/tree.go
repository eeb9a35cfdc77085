package router

import (
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// requestRoutes finds the route of an HTTP request: a tree with one level a path segment. A search visits a node at
// most once, so it costs no more than the tree is large, whatever the path.
type requestRoutes struct {
	root     node
	fallback *Route // $default, or nil
}

// node is a position between two segments.
type node struct {
	literals map[string]*node
	variable *node
	// here are the routes that end at this position, greedy those whose last segment takes the rest from here.
	here, greedy *leaf
}

// leaf holds the routes of one path by method.
type leaf struct {
	rank    int // 0 is best; equal for no two paths that could match the same request
	methods map[string]*Route
}

// newRequestRoutes builds the tree from routes whose keys have passed the checks.
func newRequestRoutes(routes []*Route) *requestRoutes {
	t := &requestRoutes{}
	var ordered []*Route
	for _, r := range routes {
		if r.key == gateway.RouteDefault {
			t.fallback = r
			continue
		}
		p, problem := parsePattern(r.key)
		if problem != nil {
			continue // can't be: it passed the checks
		}
		r.pattern = p
		ordered = append(ordered, r)
	}
	slices.SortStableFunc(ordered, func(a, b *Route) int { return compareRank(a.pattern, b.pattern) })
	for rank, r := range ordered {
		t.root.add(r, rank)
	}
	return t
}

func (n *node) add(r *Route, rank int) {
	for _, s := range r.pattern.segments {
		switch s.kind {
		case greedySegment:
			n.greedy = n.greedy.with(r, rank)
			return
		case variableSegment:
			if n.variable == nil {
				n.variable = &node{}
			}
			n = n.variable
		default:
			next := n.literals[s.text]
			if next == nil {
				next = &node{}
				if n.literals == nil {
					n.literals = make(map[string]*node)
				}
				n.literals[s.text] = next
			}
			n = next
		}
	}
	n.here = n.here.with(r, rank)
}

// with adds a route. The path's first route gives the rank for all its methods.
func (l *leaf) with(r *Route, rank int) *leaf {
	if l == nil {
		l = &leaf{rank: rank, methods: make(map[string]*Route, 1)}
	}
	l.methods[r.pattern.method] = r
	return l
}

// find returns no route and no error when nothing matches.
func (t *requestRoutes) find(method, escapedPath string) (*Route, map[string]string, error) {
	rest, ok := strings.CutPrefix(escapedPath, "/")
	if !ok && escapedPath != "" {
		return nil, nil, nil // the form "*" of OPTIONS has no route
	}
	if strings.Contains(rest, "%") {
		if _, err := url.PathUnescape(rest); err != nil {
			return nil, nil, gateway.Errorf(gateway.CodeBadRequest, "Bad Request").Because(err)
		}
	}
	var best match
	t.root.search(method, rest, &best)
	if best.route != nil {
		return best.route, best.route.pattern.values(escapedPath), nil
	}
	return t.fallback, nil, nil
}

// match is the best route so far.
type match struct {
	route *Route
	rank  int
}

// search looks at every way through the tree that rest, the path behind this node, allows.
func (n *node) search(method, rest string, best *match) {
	segment, tail, more := strings.Cut(rest, "/")
	if next := n.literals[decoded(segment)]; next != nil {
		next.step(method, tail, more, best)
	}
	// A variable takes an empty segment only at the end (contract/http-api.md §3.11).
	if n.variable != nil && (segment != "" || !more) {
		n.variable.step(method, tail, more, best)
	}
	n.greedy.offer(method, best)
}

func (n *node) step(method, tail string, more bool, best *match) {
	if more {
		n.search(method, tail, best)
		return
	}
	n.here.offer(method, best)
}

// offer takes the leaf's route for the method, else that for any, when it is better than what was found before.
func (l *leaf) offer(method string, best *match) {
	if l == nil || best.route != nil && best.rank <= l.rank {
		return
	}
	r := l.methods[method]
	if r == nil {
		r = l.methods[anyMethod]
	}
	if r != nil {
		best.route, best.rank = r, l.rank
	}
}
