package main

import (
	"os"
	"path/filepath"

	"github.com/sallyport/sallyport/internal/app"
)

// expand resolves patterns that the shell left alone, as Windows' does. A name that exists is never a pattern.
func expand(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		if _, err := os.Lstat(name); err == nil {
			files = append(files, name)
			continue
		}
		matches, err := filepath.Glob(name)
		if err != nil {
			return nil, app.Usagef("%s: %w", name, err)
		}
		if len(matches) == 0 {
			return nil, app.Usagef("%s: there is no such file", name)
		}
		files = append(files, matches...)
	}
	return files, nil
}
