package router

import (
	"fmt"
	"iter"
	"slices"

	"github.com/sallyport/sallyport/gateway"
)

// nearest returns a hint for a name that nothing has: the known one that was most likely meant, else all of them.
func nearest[K ~string](name string, known iter.Seq[K]) string {
	var names []string
	for k := range known {
		names = append(names, string(k))
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "there are none"
	}
	if word := gateway.Nearest(name, names); word != "" {
		return fmt.Sprintf("did you mean %q?", word)
	}
	return "there are " + listed(names)
}
