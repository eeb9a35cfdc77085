package archtest

// row is what one folder may import of this module. It holds for the folders below it too, unless they have a row.
type row struct {
	folder string
	may    []string // folders, each with those below it
}

// imports is the import table: everything points from the bottom to the top. edge and integrations do not know each
// other: they meet in gateway, over bus.
var imports = []row{
	{"gateway", nil},

	{"schemas/definition", []string{"gateway"}},
	{"schemas/deployment", []string{"gateway"}},
	{"schemas/event", []string{"gateway"}},
	{"schemas/proxy", []string{"gateway", "schemas/event"}},

	{"router/mapping", []string{"gateway", "router/vtl"}},
	{"router/vtl", []string{"gateway", "router/vtl"}},
	{"router", []string{"gateway", "schemas", "router", "accesslog", "authorizers"}},
	{"bus", []string{"gateway", "schemas"}},
	{"connstore", []string{"gateway", "connstore"}},
	{"catalog", []string{"gateway", "schemas", "bus", "catalog"}},
	{"accesskeys", []string{"gateway", "bus", "accesskeys"}},
	{"authorizers", []string{"gateway", "schemas", "bus", "authorizers", "accesskeys", "router/mapping"}},
	{"accesslog", []string{"gateway", "schemas"}},
	{"throttle", []string{"gateway"}},

	{"edge", []string{"gateway", "schemas", "router", "bus", "connstore", "authorizers", "accesskeys", "accesslog", "throttle"}},
	{"integrations", []string{"gateway", "schemas", "router", "bus", "integrations"}},
	{"control", []string{"gateway", "schemas", "router", "bus", "connstore", "catalog", "authorizers", "accesskeys"}},

	{"internal/telemetry", nil},
	{"internal/gcpace", nil},
	{"internal/runner", nil},
	{"internal/app", []string{
		"gateway", "schemas", "router", "bus", "connstore", "catalog", "edge", "integrations", "control", "authorizers", "accesskeys",
		"accesslog", "throttle", "internal",
	}},
	// A load generator is an outsider too.
	{"bench", []string{"gateway", "bench"}},
	// template render needs nothing of a gateway but the engine.
	{"cmd", []string{"gateway", "schemas", "internal", "router/vtl", "control", "bench"}},

	// Examples are outsiders: they know the gateway by its subjects and addresses alone.
	{"examples", []string{"examples"}},
	// End-to-end tests start what the command starts, and speak with it from outside.
	{"test", []string{"gateway", "schemas", "internal/app", "examples"}},
	{"internal/archtest", nil},
}

// forTests may be imported by tests anywhere: contracts, in-memory twins, a NATS server in the process, and the verifier
// of signatures with the keys that it looks up, which judges those that we make.
var forTests = []string{
	"authorizers/sigv4", "accesskeys",
	"catalog/catalogtest", "catalog/memory", "connstore/connstoretest", "connstore/memory", "integrations/integrationstest", "examples/natsbackend/edgetest",
}

// module says who may import a module of others. A package that the table does not name is refused, so that go.mod grows
// by decision.
type module struct {
	path string   // a module, or packages of it; the longest match holds
	may  []string // folders, each with those below it; nil means only tests
	all  bool     // any package but gateway, which has the standard library alone
}

var modules = []module{
	// NATS: one package speaks it, one stores in it; the examples and the load generator are its users.
	{path: "github.com/nats-io/nats.go", may: []string{"bus", "connstore/journal", "examples", "bench"}},
	{path: "github.com/nats-io/nats-server/v2", may: []string{"bus", "bench/peers/nats"}},

	{path: "github.com/gobwas/ws", may: []string{"edge", "bench"}},
	{path: "github.com/HdrHistogram/hdrhistogram-go", may: []string{"bench/load"}},
	{path: "github.com/tidwall/gjson", may: []string{"router", "accesslog", "authorizers", "bus", "edge", "integrations", "schemas"}},
	{path: "github.com/dlclark/regexp2", may: []string{"router"}}, // Java's regular expressions look back and ahead
	{path: "go.yaml.in/yaml/v3", may: []string{"schemas/definition", "cmd"}},
	{path: "github.com/alecthomas/kong", may: []string{"cmd"}},
	{path: "golang.org/x/term", may: []string{"cmd", "internal"}},
	{path: "golang.org/x/sys", may: []string{"bus", "edge", "internal", "bench"}},
	{path: "golang.org/x/sync", all: true},
	{path: "golang.org/x/time", may: []string{"throttle"}},
	{path: "github.com/klauspost/compress", may: []string{"edge", "connstore/journal"}}, // deflate with the window that a client asks for; S2
	{path: "github.com/coreos/go-oidc/v3", may: []string{"authorizers"}},
	{path: "github.com/go-jose/go-jose/v4", may: []string{"authorizers"}},
	// The signer of the AWS SDK: what we send is signed by it, and it is the oracle for what we verify.
	{path: "github.com/aws/aws-sdk-go-v2", may: []string{"integrations", "control"}},

	// The API of OpenTelemetry is for all; the rest of it is set up in one place.
	{path: "go.opentelemetry.io/otel", all: true},
	{path: "go.opentelemetry.io/otel/sdk", may: []string{"internal/telemetry"}},
	{path: "go.opentelemetry.io/otel/exporters", may: []string{"internal/telemetry"}},
	{path: "github.com/prometheus/client_golang", may: []string{"internal/telemetry"}},

	{path: "github.com/google/go-cmp"},
	{path: "go.uber.org/goleak"},
	{path: "github.com/coder/websocket"},                                        // an implementation of its own, so that it finds our mistakes
	{path: "github.com/santhosh-tekuri/jsonschema/v6", may: []string{"router"}}, // models
	{path: "golang.org/x/tools/txtar"},
	{path: "go.opentelemetry.io/proto/otlp"}, // what a collector receives
	{path: "google.golang.org/protobuf"},
}

// exceptions are the places that break a rule, by "rule path", each with its reason.
var exceptions = map[string]string{
	"listen bus/embedded.go":     "tries whether the port of the embedded NATS is free, so that the fault can name the flag",
	"listen bench/floor/http.go": "what a gateway's listeners are compared with",
}
