package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// root is the repository's.
const root = "../.."

// absent is a definition that does not exist: the command looks for it when it has understood everything else, and before it
// starts anything.
const absent = "/absent/definition.yaml"

const (
	// startPatience is what the start of a server may take, which is a second with an election.
	startPatience = 20 * time.Second
	// lookAgain is the pause between two looks at a state that nothing tells of.
	lookAgain = 20 * time.Millisecond
)

// sallyport is the path of the real command, built by TestMain.
var sallyport string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sallyport-deploy-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	sallyport = filepath.Join(dir, "sallyport")
	build := exec.Command("go", "build", "-o", sallyport, "./cmd/sallyport")
	build.Dir = root
	if text, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the command: %v\n%s", err, text)
		return 1
	}
	return m.Run()
}

// command is one call of the gateway in a file of deploy/.
type command struct {
	where string
	args  []string
	env   map[string]string
}

// check gives the command to the real one. It takes flags, variables and their values as they are; names of files can't be
// here and are left out.
func (c command) check(t *testing.T) {
	t.Helper()
	if len(c.args) == 0 || c.args[0] != "serve" {
		t.Errorf("%s: %q is no call of serve", c.where, c.args)
		return
	}
	args := []string{"serve"}
	for i := 1; i < len(c.args); i++ {
		flag, _, hasValue := strings.Cut(c.args[i], "=")
		switch {
		case flag == "--config": // its content has a test of its own
			if !hasValue {
				i++
			}
		case strings.HasPrefix(flag, "--") && !hasValue:
			args = append(args, c.args[i], c.args[i+1])
			i++
		case strings.HasPrefix(flag, "--"):
			args = append(args, c.args[i])
		}
	}
	help := output(t, nil, "serve", "--help")
	var env []string
	for name, value := range c.env {
		if strings.HasPrefix(name, "SALLYPORT_") && !strings.Contains(help, name) {
			t.Errorf("%s: serve knows no variable %s", c.where, name)
		}
		env = append(env, name+"="+value)
	}
	if got := output(t, env, append(args, absent)...); !strings.Contains(got, absent+": there is no such file") {
		t.Errorf("%s: sallyport %s\n%s", c.where, strings.Join(args, " "), got)
	}
}

// output runs the command with the given variables and no other of ours, and returns what it prints.
func output(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(sallyport, args...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "SALLYPORT_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	text, err := cmd.CombinedOutput() // the exit code is 2 where a file is missing
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCheckFindsMistakes: the check above can fail.
func TestCheckFindsMistakes(t *testing.T) {
	for name, wrong := range map[string]string{
		"an unknown flag": "--no-such-flag=1", "a value that does not parse": "--drain-timeout=soon",
	} {
		if got := output(t, nil, "serve", wrong, absent); strings.Contains(got, absent+": there is no such file") {
			t.Errorf("%s passes: %s", name, got)
		}
	}
	if got := output(t, []string{"SALLYPORT_DRAIN_TIMEOUT=soon"}, "serve", absent); strings.Contains(got, "no such file") {
		t.Errorf("a variable that does not parse passes: %s", got)
	}
}

// read returns a file of deploy/.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
