//go:build unix

package bench

import (
	"math"

	"golang.org/x/sys/unix"
)

// descriptorLimit is how many descriptors a process may have, or 0 when that is not known. Go raises the soft limit to
// the hard one at start.
func descriptorLimit() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
