//go:build !linux

package edge

// newEngine returns the only engine of this system.
func newEngine() engine { return newGoroutineEngine() }
