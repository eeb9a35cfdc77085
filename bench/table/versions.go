package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// writeVersions says what was compared, and on what, as far as the programs tell.
func (w *world) writeVersions(out io.Writer) {
	list := []string{fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		list = append(list, "kernel "+strings.TrimSpace(string(kernel)))
	}
	for _, command := range [][]string{{w.program(), "version"}, {"node", "--version"}, {"nginx", "-v"}} {
		// nginx tells it on standard error.
		if text, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err == nil {
			list = append(list, filepath.Base(command[0])+": "+strings.Join(strings.Fields(string(text)), " "))
		}
	}
	for _, module := range []string{"ws", "socket.io"} {
		var about struct{ Version string }
		text, err := os.ReadFile(packageFile(w.node, module))
		if err == nil && json.Unmarshal(text, &about) == nil {
			list = append(list, module+" "+about.Version)
		}
	}
	fmt.Fprintf(out, "\n%s.\n", strings.Join(list, "; "))
}

func packageFile(folder, module string) string {
	return filepath.Join(folder, "node_modules", module, "package.json")
}
