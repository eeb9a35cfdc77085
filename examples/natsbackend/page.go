package natsbackend

import (
	"errors"
	"io/fs"
	"mime"
	"path"
)

// ServePage serves the files of a folder through the HTTP API api, which has the routes GET / (index.html) and
// GET /{asset}.
func (b *Backend) ServePage(api string, files fs.FS) error {
	return errors.Join(
		b.Handle(api+".http.GET", func(Event) *Reply { return file(files, "index.html") }),
		b.Handle(api+".http.GET.{asset}", func(e Event) *Reply { return file(files, e.Context.PathParameters["asset"]) }),
	)
}

func file(files fs.FS, name string) *Reply {
	body, err := fs.ReadFile(files, name) // an fs.FS refuses names that lead out of it
	if err != nil {
		return &Reply{
			Status: 404,
			Header: map[string]string{"Content-Type": "application/json"},
			Body:   []byte(`{"message":"Not Found"}`),
		}
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	return &Reply{
		Header: map[string]string{
			"Content-Type": kind,
			// The files are part of the program, which is rebuilt all the time while somebody works on it.
			"Cache-Control":          "no-cache",
			"X-Content-Type-Options": "nosniff",
		},
		Body: body,
	}
}
