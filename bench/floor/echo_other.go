//go:build !linux

package floor

import (
	"context"
	"errors"
)

// Echo needs epoll, which is Linux's.
func Echo(context.Context, Config) error {
	return errors.New("the epoll echo runs on Linux only")
}
