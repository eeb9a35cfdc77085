//go:build unix

package bench

import (
	"os"
	"os/exec"
	"syscall"
)

// inOwnGroup puts a command and its children in a process group: a Ctrl-C is then ours to pass on, after the run.
func inOwnGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup asks a group to end, or ends it with os.Kill. It may be gone already.
func signalGroup(pid int, s os.Signal) {
	number := syscall.SIGTERM
	if s == os.Kill {
		number = syscall.SIGKILL
	}
	_ = syscall.Kill(-pid, number)
}
