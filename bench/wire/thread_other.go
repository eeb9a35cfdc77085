//go:build !linux

package wire

// DedicateThread does nothing here: the loop waits for channels.
func DedicateThread() {}
