package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCommand struct {
	JSON bool `help:"Print it as JSON."`
}

// Help shows an example.
func (versionCommand) Help() string { return "Example:\n\n    sallyport version --json" }

// Run prints the version.
func (c versionCommand) Run(std streams) error {
	v := version()
	if c.JSON {
		return json.NewEncoder(std.out).Encode(v)
	}
	_, err := fmt.Fprintf(std.out, "sallyport %s (commit %s, %s, nats-server %s)\n", v.Version, v.Commit, v.Go, v.NATSServer)
	return err
}

type versionInfo struct {
	Version    string `json:"version"`
	Commit     string `json:"commit"`
	Time       string `json:"time,omitempty"`
	Go         string `json:"go"`
	NATSServer string `json:"natsServer"`
}

// version reads what the toolchain recorded in the binary.
func version() versionInfo {
	v := versionInfo{Version: "devel", Commit: "unknown", Go: runtime.Version(), NATSServer: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		}
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/nats-io/nats-server/v2" {
			v.NATSServer = d.Version
		}
	}
	return v
}
