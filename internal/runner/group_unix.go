//go:build unix

package runner

import (
	"os/exec"
	"syscall"
)

func shell(command string) *exec.Cmd { return exec.Command("sh", "-c", command) }

// inOwnGroup puts the command and its children in a group of their own: `go run` starts the real program as a child,
// and a Ctrl-C in the terminal is then ours to pass on, in order.
func inOwnGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// The group may be gone already, which is what both want.
func interruptGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
func killGroup(cmd *exec.Cmd)      { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
