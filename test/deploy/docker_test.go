package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// TestDockerfile reads it as buildkit does.
func TestDockerfile(t *testing.T) {
	parsed, err := parser.Parse(strings.NewReader(read(t, "docker/Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range parsed.Warnings {
		t.Errorf("buildkit warns: %s", warning.Short)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		t.Errorf("the image begins with %s", last.BaseName)
	}
	call := command{where: "Dockerfile", env: map[string]string{}}
	var user, health, entry []string
	certificates := false
	for _, step := range last.Commands {
		switch step := step.(type) {
		case *instructions.UserCommand:
			user = append(user, step.User)
		case *instructions.EnvCommand:
			for _, pair := range step.Env {
				call.env[pair.Key] = pair.Value
			}
		case *instructions.CopyCommand:
			certificates = certificates || strings.Contains(step.DestPath, "/etc/ssl/certs")
			if !slices.ContainsFunc(stages, func(s instructions.Stage) bool { return s.Name == step.From }) {
				t.Errorf("COPY --from=%s: there is no such stage", step.From)
			}
		case *instructions.HealthCheckCommand:
			health = step.Health.Test
		case *instructions.EntrypointCommand:
			entry = step.CmdLine
		case *instructions.CmdCommand:
			call.args = step.CmdLine
		case *instructions.RunCommand:
			t.Error("a RUN in an image that has no shell")
		}
	}
	call.check(t)
	if want := []string{"65532:65532"}; !slices.Equal(user, want) {
		t.Errorf("users %q, want %q", user, want)
	}
	if want := []string{"/usr/bin/sallyport"}; !slices.Equal(entry, want) {
		t.Errorf("entry point %q, want %q", entry, want)
	}
	if want := []string{"CMD", "/usr/bin/sallyport", "healthcheck"}; !slices.Equal(health, want) {
		t.Errorf("health check %q, want %q", health, want)
	}
	if got := output(t, nil, "healthcheck", "--admin", "127.0.0.1:1"); !strings.Contains(got, "nothing listens at") {
		t.Errorf("the command has no health check: %s", got)
	}
	if !certificates {
		t.Error("the image has no certificates of authorities, so no backend could be called by TLS")
	}
	if !strings.Contains(read(t, "docker/Dockerfile"), "CGO_ENABLED=0") {
		t.Error("the binary is not static, and scratch has no C library")
	}
}
