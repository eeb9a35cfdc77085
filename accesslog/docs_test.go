package accesslog

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// contractVariables are those of contract/websocket-api.md §12.
const contractVariables = `apiId authorize.error authorize.latency authorize.status authorizer.error authorizer.integrationLatency
authorizer.integrationStatus authorizer.latency authorizer.requestId authorizer.status authorizer.principalId authorizer.level
authenticate.error authenticate.latency authenticate.status connectedAt connectionId domainName error.message error.messageString
error.responseType error.validationErrorString eventType extendedRequestId identity.accountId identity.apiKey identity.apiKeyId
identity.caller identity.cognitoAuthenticationProvider identity.cognitoAuthenticationType identity.cognitoIdentityId
identity.cognitoIdentityPoolId identity.principalOrgId identity.sourceIp identity.user identity.userAgent identity.userArn
integration.error integration.integrationStatus integration.latency integration.requestId integration.status integrationLatency
messageId requestId requestTime requestTimeEpoch routeKey stage status waf.error waf.latency waf.status`

// TestAccessLogVariablesAreDocumented: each variable of the contract stands in the table, as one that has a value or as one
// that never has.
func TestAccessLogVariablesAreDocumented(t *testing.T) {
	const full = `{"apiId":"chat","stage":"dev","domainName":"localhost","connectionId":"c","connectedAt":1,"routeKey":"echo","eventType":"MESSAGE",
		"messageId":"m","requestId":"r","extendedRequestId":"r","requestTime":"t","requestTimeEpoch":1,"authorizer":{"principalId":"ann","level":7},
		"identity":{"sourceIp":"192.0.2.1","userAgent":"u","accountId":"1","accessKey":"k","caller":"c","user":"u","userArn":"a","apiKey":"k","apiKeyId":"partner"}}`
	failed := errors.New("failed")
	step := Step{Status: 403, Latency: time.Second, Err: failed}
	entry := &Entry{
		Context: []byte(full), Status: 400, IntegrationStatus: 200, Integration: true, Err: failed, Validation: "at '': missing",
		Admission: Admission{step, step, AuthorizerStep{Step: step, Integration: true, IntegrationLatency: time.Second, IntegrationStatus: 200, Request: "r"}},
	}
	empty := map[string]bool{} // by what the table names
	document, err := os.ReadFile("../docs/access-logs.md")
	if err != nil {
		t.Fatal(err)
	}
	inTable := false
	for line := range strings.Lines(string(document)) {
		inTable = strings.HasPrefix(line, "| variable | meaning |") || inTable && strings.HasPrefix(line, "|")
		if cells := strings.Split(line, "|"); inTable && len(cells) > 2 {
			for i, name := range strings.Split(cells[1], "`") {
				if i%2 == 1 { // between backquotes
					empty[name] = strings.HasPrefix(cells[2], " `-`")
				}
			}
		}
	}
	for _, name := range strings.Fields(contractVariables) {
		isEmpty, documented := empty[name]
		if name == "authorizer.level" { // a property of the authorizer's
			isEmpty, documented = empty["authorizer.{name}"]
		}
		if !documented {
			t.Errorf("%s is not documented", name)
			continue
		}
		format, err := Parse("$context." + name + " $context.requestId")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(format.Append(nil, entry)); (got == "- r\n") != isEmpty {
			t.Errorf("%s is written as %q", name, got)
		}
	}
}
