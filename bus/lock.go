package bus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// errLocked says that another process holds a lock.
var errLocked = errors.New("used by another process")

// dirLock is an exclusive lock that the system drops with its process, however that ends. The file stays: removing it
// would let two processes lock two files of the same name.
type dirLock struct{ file *os.File }

const lockFileMode = 0o600

// maxPIDText bounds what is read from a lock file: a process number.
const maxPIDText = 32

func lockDir(path string) (*dirLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, lockFileMode)
	if err != nil {
		return nil, err
	}
	if err := lockExclusive(f); err != nil {
		if errors.Is(err, errLocked) {
			err = withOwner(f)
		}
		_ = f.Close() // nothing was written
		return nil, err
	}
	// The number is only a help for people: failing to write it is no reason not to start.
	if f.Truncate(0) == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return &dirLock{f}, nil
}

// withOwner names the process that holds the lock, if it wrote its number and the system lets us read it.
func withOwner(f *os.File) error {
	b, err := io.ReadAll(io.LimitReader(f, maxPIDText))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return fmt.Errorf("%w (process %s)", errLocked, pid)
	}
	return errLocked
}

// release gives the lock free. It unlocks before it closes: a child process that was being started may hold a copy of
// the descriptor for a moment, and with it the lock.
func (l *dirLock) release() {
	_ = unlock(l.file)
	_ = l.file.Close() // there is nothing to flush
}
