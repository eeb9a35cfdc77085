package app

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"time"
)

const (
	// lookEvery is how often the files are looked at: a save is live in well under a second, and looking costs nothing.
	// A poll, unlike notifications, also sees editors that replace the file and mounts that do not notify.
	lookEvery = 250 * time.Millisecond
	// maxDefinitionBytes bounds what is read to see whether a file has changed; the loader has its own limit.
	maxDefinitionBytes = 4 << 20
)

// watcher calls changed when the content of a file is another one than before.
type watcher struct {
	files   []string
	every   time.Duration
	changed func()
}

// run looks until ctx ends. It tells of a change when the files have stood still for one look, since an editor may
// write in pieces.
func (w *watcher) run(ctx context.Context) {
	known := contentOf(w.files)
	seen := known
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := contentOf(w.files)
		if now == seen && now != known {
			known = now
			w.changed()
		}
		seen = now
	}
}

// contentOf is a digest of all files' contents. A file that can't be read counts as another content: the reload then
// says why.
func contentOf(files []string) [sha256.Size]byte {
	digest := sha256.New()
	for _, name := range files {
		io.WriteString(digest, name+"\x00")
		f, err := os.Open(name)
		if err != nil {
			io.WriteString(digest, err.Error())
			continue
		}
		if _, err := io.Copy(digest, io.LimitReader(f, maxDefinitionBytes)); err != nil {
			io.WriteString(digest, err.Error())
		}
		f.Close()
	}
	return [sha256.Size]byte(digest.Sum(nil))
}
