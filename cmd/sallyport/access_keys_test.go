package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

const (
	envRootID     = "SALLYPORT_ROOT_ACCESS_KEY_ID"
	envRootSecret = "SALLYPORT_ROOT_SECRET_ACCESS_KEY"
)

// startServe runs `serve` with a root key until the test ends and returns the admin's URL.
func startServe(t *testing.T) string {
	t.Helper()
	t.Setenv(envRootID, "root")
	t.Setenv(envRootSecret, "root secret of the tests")
	ctx, stop := context.WithCancel(context.Background())
	lines := &lineCollector{found: make(chan []string, 1)}
	ended := make(chan int, 1)
	args := []string{
		"serve", write(t, "echo.yaml", good), "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--nats-listen", "127.0.0.1:0", "--drain-timeout", "0s",
	}
	var stderr bytes.Buffer
	go func() { ended <- run(ctx, args, streams{strings.NewReader(""), lines, &stderr}) }()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitFine {
			t.Errorf("serve ended with exit code %d: %s", code, stderr.String())
		}
	})
	select {
	case words := <-lines.found:
		return words[1]
	case code := <-ended:
		ended <- code
		t.Fatalf("serve ended with exit code %d: %s", code, stderr.String())
	}
	return ""
}

// The root key makes a limited one, which may do what it is for and nothing else, until it is removed.
func TestAccessKeyVerbs(t *testing.T) {
	admin := startServe(t)
	code, out, errs := call(t, "", "access-keys", "create", "--api", "echo", "--description", "of the test", "--json", "--admin", admin)
	var key struct {
		AccessKeyID, SecretAccessKey string
		APIs                         []string
	}
	if err := json.Unmarshal([]byte(out), &key); code != exitFine || err != nil || key.AccessKeyID == "" || key.SecretAccessKey == "" {
		t.Fatalf("create: exit %d, %q %q", code, out, errs)
	}
	code, out, errs = call(t, "", "access-keys", "ls", "--admin", admin)
	if code != exitFine || !strings.Contains(out, key.AccessKeyID) || !strings.Contains(out, "of the test") || strings.Contains(out, key.SecretAccessKey) {
		t.Errorf("ls: exit %d, %q %q", code, out, errs)
	}
	if code, _, errs = call(t, "", "access-keys", "create", "--action", "s3:GetObject", "--admin", admin); code != exitFailed || !strings.Contains(errs, "the actions are") {
		t.Errorf("create for an unknown action: exit %d, %q", code, errs)
	}

	t.Setenv(envRootID, "") // from here on as the backend that has the new key
	t.Setenv(envRootSecret, "")
	if code, _, errs = call(t, "", "connections", "ls", "--admin", admin); code != exitFailed || !strings.Contains(errs, envRootID) {
		t.Errorf("ls without a key: exit %d, %q", code, errs)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
	if code, _, errs = call(t, "", "connections", "ls", "--api", "echo", "--admin", admin); code != exitFine {
		t.Errorf("ls of its API: exit %d, %q", code, errs)
	}
	if code, _, errs = call(t, "", "connections", "ls", "--admin", admin); code != exitFailed || !strings.Contains(errs, "not authorized") {
		t.Errorf("ls of all APIs: exit %d, %q", code, errs)
	}
	if code, _, errs = call(t, "", "access-keys", "rm", key.AccessKeyID, "--admin", admin); code != exitFailed || !strings.Contains(errs, "not authorized") {
		t.Errorf("rm by a limited key: exit %d, %q", code, errs)
	}

	t.Setenv(envRootID, "root")
	t.Setenv(envRootSecret, "root secret of the tests")
	if code, _, errs = call(t, "", "access-keys", "rm", key.AccessKeyID, "--admin", admin); code != exitFine {
		t.Errorf("rm: exit %d, %q", code, errs)
	}
	t.Setenv(envRootID, "")
	if code, _, errs = call(t, "", "connections", "ls", "--api", "echo", "--admin", admin); code != exitFailed || !strings.Contains(errs, "does not know the access key") {
		t.Errorf("ls with a removed key: exit %d, %q", code, errs)
	}
}

func TestHalfARootKey(t *testing.T) {
	t.Setenv(envRootID, "root")
	t.Setenv(envRootSecret, "")
	code, _, errs := call(t, "", "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	if code != exitUsage || !strings.Contains(errs, envRootSecret+" is not") {
		t.Errorf("exit %d, %q", code, errs)
	}
}
