package deploy

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// TestComposeFiles has Docker Compose's own loader read each file, anchors and variables resolved.
func TestComposeFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/compose/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			options, err := cli.NewProjectOptions([]string{file}, cli.WithInterpolation(true), cli.WithResolvedPaths(true))
			if err != nil {
				t.Fatal(err)
			}
			project, err := options.LoadProject(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, service := range project.Services {
				checkService(t, project, service)
			}
		})
	}
}

func checkService(t *testing.T, project *types.Project, service types.ServiceConfig) {
	t.Helper()
	for _, volume := range service.Volumes {
		if volume.Type == types.VolumeTypeBind {
			if _, err := os.Stat(volume.Source); err != nil {
				t.Errorf("%s: %v", service.Name, err)
			}
		} else if _, ok := project.Volumes[volume.Source]; !ok {
			t.Errorf("%s: there is no volume %s", service.Name, volume.Source)
		}
	}
	if service.Build != nil {
		if _, err := os.Stat(filepath.Join(service.Build.Context, service.Build.Dockerfile)); err != nil {
			t.Errorf("%s: %v", service.Name, err)
		}
	}
	if service.Image != "sallyport" {
		return
	}
	env := map[string]string{}
	for name, value := range service.Environment {
		if value != nil {
			env[name] = *value
		}
	}
	command{where: service.Name, args: service.Command, env: env}.check(t)
	if files := service.Ulimits["nofile"]; files == nil || files.Single != 1048576 {
		t.Errorf("%s: descriptors %+v", service.Name, files)
	}
	drain, err := time.ParseDuration(env["SALLYPORT_DRAIN_TIMEOUT"])
	if err != nil {
		t.Fatalf("%s: %v", service.Name, err)
	}
	if grace := service.StopGracePeriod; grace == nil || time.Duration(*grace) < drain+5*time.Second {
		t.Errorf("%s: it is killed before its drain of %s has ended", service.Name, drain)
	}
}
