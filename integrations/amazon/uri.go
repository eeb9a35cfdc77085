package amazon

import (
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/router/mapping"
)

// maxURI is Amazon's bound on an integration's URI (contract/http-api.md §7.1).
const maxURI = 2048

// The form of an ARN of API Gateway for services (contract/rest-api.md §5.2). Region, service and subdomain become
// a host, so they are host labels and nothing else.
var arnForm = sync.OnceValue(func() *regexp.Regexp { // as of all three: what a start does not need must not take its time
	return regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):apigateway:([a-z0-9-]{1,32}):` +
		`(?:([a-z0-9.-]{1,63})\.)?([a-z0-9-]{1,63}):(action|path)/(.*)$`)
})

// The form of an action with query parameters behind it, and of the path on which functions are invoked.
var (
	actionForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9]{1,128})(?:&(.*))?$`) })
	invokeForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\d{4}-\d{2}-\d{2}/functions/[^/?]+/invocations$`)
	})
)

const uriHint = "such as arn:aws:apigateway:us-east-1:dynamodb:action/PutItem or " +
	"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:NAME/invocations"

var (
	errLong   = errors.New("uri is longer than 2048 characters")
	errForm   = errors.New("uri is no ARN of a service's action or path")
	errAction = errors.New("the action is no name")
	errQuery  = errors.New("uri has a space, which would end the request line, or a fragment")
)

// address is a parsed uri.
type address struct {
	partition, region, subdomain, name string
	// action is the name of an action; else path is that of a request.
	action string
	// path is what follows the first slash, with its query; of an action the query alone.
	path  string
	known service
}

// parseAddress reads a uri whose stage variables are filled in; {name} may stand behind the service.
func parseAddress(uri string) (address, error) {
	if len(uri) > maxURI {
		return address{}, errLong
	}
	m := arnForm().FindStringSubmatch(uri)
	if m == nil {
		return address{}, errForm
	}
	a := address{partition: m[1], region: m[2], subdomain: m[3], name: m[4], path: m[6], known: lookup(m[3], m[4])}
	if strings.ContainsAny(a.path, " #") {
		return address{}, errQuery
	}
	if m[5] == "action" {
		action := actionForm().FindStringSubmatch(a.path)
		if action == nil {
			return address{}, errAction
		}
		a.action, a.path = action[1], action[2]
	}
	return a, nil
}

// invokes reports whether the address is that of a function's invocation, whose result has the status 200 whether or not
// the function failed (contract/rest-api.md §6.4).
func (a address) invokes() bool {
	path, _, _ := strings.Cut(a.path, "?")
	return a.name == "lambda" && a.action == "" && invokeForm().MatchString(path)
}

// signingName is the service name in the scope of signatures.
func (a address) signingName() string {
	if a.known.signing != "" {
		return a.known.signing
	}
	return a.name
}

// publicHost is where Amazon serves the address.
func (a address) publicHost() string {
	name, subdomain := a.name, a.subdomain
	if a.known.host != "" {
		name = a.known.host
	}
	if subdomain == "" {
		subdomain = a.known.subdomain
	}
	if subdomain != "" {
		name = subdomain + "." + name
	}
	host := name + "." + a.region + ".amazonaws.com"
	if a.partition == "aws-cn" {
		host += ".cn"
	}
	return host
}

// withVariables fills the stage variables of a uri in, and leaves {name} alone.
func withVariables(uri string, variables map[string]string) (string, error) {
	parsed, err := mapping.ParseURI(uri)
	if err != nil {
		return "", err
	}
	for _, name := range parsed.StageVariables() {
		value, ok := variables[name]
		if !ok {
			return "", errors.New("the stage has no variable " + name)
		}
		uri = strings.ReplaceAll(uri, "${stageVariables."+name+"}", value)
	}
	return uri, nil
}
