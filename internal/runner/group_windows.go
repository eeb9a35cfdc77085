package runner

import (
	"os/exec"
	"strconv"
	"syscall"
)

func shell(command string) *exec.Cmd { return exec.Command("cmd", "/C", command) }

func inOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// Windows has no signal that a whole tree takes as a request to end, so both end it at once.
func interruptGroup(cmd *exec.Cmd) { killGroup(cmd) }

func killGroup(cmd *exec.Cmd) {
	_ = exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run()
}
