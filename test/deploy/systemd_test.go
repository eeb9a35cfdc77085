package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unit is the service as "Section.Key" → values, in order.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	fields := map[string][]string{}
	section := ""
	for line := range strings.Lines(read(t, "systemd/sallyport.service")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%q is no assignment", line)
		}
		fields[section+"."+key] = append(fields[section+"."+key], value)
	}
	return fields
}

func TestUnitStartsTheGateway(t *testing.T) {
	fields := unit(t)
	start := fields["Service.ExecStart"]
	if len(start) != 1 {
		t.Fatalf("%d ExecStart", len(start))
	}
	words := strings.Fields(start[0])
	if words[0] != "/usr/bin/sallyport" {
		t.Errorf("it starts %s", words[0])
	}
	command{where: "sallyport.service", args: words[1:]}.check(t)
	for key, want := range map[string]string{
		"Service.Type": "notify", "Service.LimitNOFILE": "1048576", "Service.StateDirectory": "sallyport", "Service.NoNewPrivileges": "yes",
	} {
		if got := strings.Join(fields[key], ","); got != want {
			t.Errorf("%s=%s, want %s", key, got, want)
		}
	}
}

// TestUnitIsVerified has systemd read the unit. The binary is not where it will be, so the copy names one that is.
func TestUnitIsVerified(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	path := filepath.Join(t.TempDir(), "sallyport.service")
	text := strings.ReplaceAll(read(t, "systemd/sallyport.service"), "/usr/bin/sallyport", sallyport)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	printed, err := exec.Command(analyze, "verify", path).CombinedOutput()
	if err != nil || strings.Contains(string(printed), "sallyport.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, printed)
	}
}

// TestServeFileIsRead: the sample of /etc/sallyport/serve.yaml, with every line that waits behind a # in force too.
func TestServeFileIsRead(t *testing.T) {
	sample := read(t, "systemd/serve.yaml")
	for name, text := range map[string]string{"as it is": sample, "all of it": uncommented(sample)} {
		path := filepath.Join(t.TempDir(), "serve.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := output(t, nil, "serve", "--config", path, absent); !strings.Contains(got, absent+": there is no such file") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestEnvironmentFileNamesKnownVariables(t *testing.T) {
	env := map[string]string{}
	for line := range strings.Lines(uncommented(read(t, "systemd/sallyport.env"))) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			env[name] = value
		}
	}
	if len(env) == 0 {
		t.Fatal("no variables")
	}
	command{where: "sallyport.env", args: []string{"serve"}, env: env}.check(t)
}

// uncommented puts settings that a sample leaves out in force: those lines that have no space after the #.
func uncommented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if rest, commented := strings.CutPrefix(line, "#"); commented && rest[0] != ' ' && rest[0] != '\n' {
			line = rest
		}
		b.WriteString(line)
	}
	return b.String()
}
