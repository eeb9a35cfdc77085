package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxConfigBytes is far above any real configuration: it holds one line per flag.
const maxConfigBytes = 1 << 20

// loadConfig reads a --config file: a mapping from flag names to values. JSON is YAML too.
func loadConfig(r io.Reader) (kong.Resolver, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxConfigBytes))
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(data, &values); err != nil {
		return nil, err
	}
	return fileResolver(values), nil
}

// fileResolver answers kong's question for a flag's value from the file. A flag or a variable beats it.
type fileResolver map[string]any

// Validate refuses keys that no command has as a flag: a misspelt one must not be ignored.
func (f fileResolver) Validate(app *kong.Application) error {
	var known []string
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known = append(known, flag.Name)
		}
		return next(nil)
	})
	for key := range f {
		if !slices.Contains(known, key) {
			return fmt.Errorf("--config: %q is no flag's name", key)
		}
	}
	return nil
}

// Resolve returns the file's value of a flag, or nil. kong asks a resolver also for flags that it has from a variable,
// so those are left alone here.
func (f fileResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, variable := range flag.Envs {
		if _, set := os.LookupEnv(variable); set {
			return nil, nil
		}
	}
	return f[flag.Name], nil
}
