package definition

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/gateway"
)

// MaxDocumentBytes bounds a document: a thousand routes with templates fit many times over, and the tree that is made
// of a larger file would take gigabytes.
const MaxDocumentBytes = 4 << 20

// Load reads a definition from the bytes of a file, whose name serves the messages alone. It reports every problem of
// the document at once, in the order of the file. The Document is nil only if the bytes are no YAML or no object;
// otherwise it holds what could be read, so that router.Check can look at the rest.
//
// The API is normalised: a missing apiId is made from the name, AWS_PROXY became LAMBDA, and limits without a profile
// have the default one. Load does no I/O and ends in a time bounded by the size of data, which may be hostile.
func Load(file string, data []byte) (*Document, []Problem) {
	if len(data) > MaxDocumentBytes {
		return nil, []Problem{tooLarge(file)}
	}
	root, problems := parse(file, data)
	if root == nil {
		return nil, problems
	}
	if root.Kind != yaml.MappingNode {
		notObject := Problem{
			File: file, Position: positionOf(root),
			Message: "the document is " + kindOf(root) + " where an object is expected",
			Hint:    beginning,
		}
		return nil, append([]Problem{notObject}, problems...)
	}
	document := &Document{API: new(gateway.API), File: file, root: &place{at: positionOf(root)}}
	d := &decoder{file: file, problems: problems}
	at := spot{node: root, place: document.root}
	d.value(at, documentShape(), reflect.ValueOf(document.API).Elem())
	d.finish(document)
	inFileOrder(d.problems)
	if d.dropped > 0 {
		last := d.problems[len(d.problems)-1]
		d.problems = append(d.problems, Problem{
			File: file, Position: last.Position,
			Message: fmt.Sprintf("and %d more problems", d.dropped), Hint: "is this an API definition?",
		})
	}
	return document, d.problems
}

// LoadFile is Load on a file of this machine. That the file can't be read is a problem like any other.
func LoadFile(path string) (*Document, []Problem) {
	data, err := readBounded(path)
	if err != nil {
		return nil, []Problem{unreadable(path, err)}
	}
	return Load(path, data)
}

// readBounded reads one byte more than Load takes, so that Load can tell a file that is too large.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(f, MaxDocumentBytes+1))
}

func unreadable(path string, err error) Problem {
	p := Problem{File: path, Message: "can't be read: " + err.Error()}
	var pathError *fs.PathError
	if errors.As(err, &pathError) { // it would repeat the path
		p.Message = "can't be read: " + pathError.Err.Error()
	}
	if errors.Is(err, fs.ErrNotExist) {
		p.Hint = "is the path right, seen from the working directory?"
	}
	return p
}

func tooLarge(file string) Problem {
	return Problem{
		File: file, Message: fmt.Sprintf("is larger than %d MiB", MaxDocumentBytes>>20),
		Hint: "is this an API definition?",
	}
}

// finish fills in what the document left to its defaults and checks what no single value shows.
func (d *decoder) finish(doc *Document) {
	api, root := doc.API, doc.root
	name, id := root.children["name"], root.children["apiId"]
	if name != nil && !name.faulty && strings.TrimSpace(api.Name) == "" {
		name.faulty = true
		d.reportKey("name", name.at, "is empty", "give the API a name")
	}
	if api.Limits != nil && api.Limits.Profile == "" {
		api.Limits.Profile = gateway.ProfileDefault
	}
	switch {
	case id != nil && id.faulty:
	case id != nil:
		if message, hint := checkAPIID(api.APIID); message != "" {
			id.faulty = true
			d.reportKey("apiId", id.at, message, hint)
		}
	case name != nil && !name.faulty:
		api.APIID = slug(api.Name)
		if message, _ := checkAPIID(api.APIID); message != "" {
			name.faulty = true
			d.reportKey("name", name.at, "gives no apiId: "+quote(string(api.APIID))+" "+message, "set apiId as well")
		}
	}
}

func (d *decoder) reportKey(key string, at Position, message, hint string) {
	d.path = []string{key}
	d.report(at, message, hint)
	d.path = nil
}
