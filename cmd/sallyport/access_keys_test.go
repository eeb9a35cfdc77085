package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

const (
	envRootID     = "SALLYPORT_ROOT_ACCESS_KEY_ID"
	envRootSecret = "SALLYPORT_ROOT_SECRET_ACCESS_KEY"
)

// startServe runs `serve` with a root key until the test ends and returns the admin's URL.
func startServe(t *testing.T) string {
	t.Helper()
	admin, _ := startServeOn(t, t.TempDir(), "root secret of the tests")
	return admin
}

// startServeOn is startServe with that data and root secret. stop, which also the test's end calls, returns its log.
func startServeOn(t *testing.T, data, secret string) (admin string, stop func() string) {
	t.Helper()
	t.Setenv(envRootID, "root")
	t.Setenv(envRootSecret, secret)
	ctx, cancel := context.WithCancel(context.Background())
	lines := &lineCollector{found: make(chan []string, 1)}
	ended := make(chan int, 1)
	args := []string{
		"serve", write(t, "echo.yaml", good), "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--nats-listen", "127.0.0.1:0", "--drain-timeout", "0s",
	}
	var stderr bytes.Buffer
	go func() { ended <- run(ctx, args, streams{strings.NewReader(""), lines, &stderr}) }()
	stop = sync.OnceValue(func() string {
		cancel()
		if code := <-ended; code != exitFine {
			t.Errorf("serve ended with exit code %d: %s", code, stderr.String())
		}
		return stderr.String()
	})
	t.Cleanup(func() { stop() })
	select {
	case words := <-lines.found:
		return words[1], stop
	case code := <-ended:
		ended <- code
		t.Fatalf("serve ended with exit code %d: %s", code, stderr.String())
	}
	return "", nil
}

// With another root secret the stored keys are good for nothing: the log, the list and the refusals say so, and what to do.
func TestChangedRootSecret(t *testing.T) {
	data := t.TempDir()
	admin, stop := startServeOn(t, data, "the first root secret")
	_, out, _ := call(t, "", "access-keys", "create", "--json", "--admin", admin)
	var key struct{ AccessKeyID, SecretAccessKey string }
	if err := json.Unmarshal([]byte(out), &key); err != nil {
		t.Fatal(err, out)
	}
	stop()
	admin, stop = startServeOn(t, data, "the second root secret")
	says := func(what, text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %q", what, want, text)
			}
		}
	}
	code, out, errs := call(t, "", "access-keys", "ls", "--admin", admin)
	says("ls", out, key.AccessKeyID, "(unreadable)")
	says("ls", errs, "1 of these keys can't be read", "another root secret", "remove them and make new ones")
	if code != exitFine {
		t.Errorf("ls: exit %d", code)
	}
	t.Setenv(envRootSecret, "the first root secret")
	code, _, errs = call(t, "", "access-keys", "ls", "--admin", admin)
	says("ls with the old secret", errs, "the access key root", "not the one that the gateway has", envRootSecret)
	t.Setenv(envRootID, "")
	t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
	second, _, errs := call(t, "", "connections", "ls", "--admin", admin)
	says("a call with the key", errs, key.AccessKeyID, "sealed with another root secret", "access-keys ls")
	if code != exitFailed || second != exitFailed {
		t.Errorf("refused calls: exit %d and %d", code, second)
	}
	says("log", stop(), "do not open with the secret in "+envRootSecret, "keys=1", "Start all nodes with the secret that sealed them")
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
	// An unset variable of a script is no wish for a key that may do everything.
	for _, empty := range [][]string{{"--api="}, {"--api", ""}, {"--action="}, {"--api", "echo", "--api="}} {
		args := append([]string{"access-keys", "create", "--admin", admin}, empty...)
		if code, out, errs = call(t, "", args...); code != exitFailed || out != "" || !strings.Contains(errs, `"" is no `) {
			t.Errorf("create %q: exit %d, %q %q", empty, code, out, errs)
		}
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
