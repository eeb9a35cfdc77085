package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/internal/app"
)

// TestDefinitionsOfThrottlesAndLogsAreValid: what these documents say to write has no fault.
func TestDefinitionsOfThrottlesAndLogsAreValid(t *testing.T) {
	for _, document := range []string{"docs/throttling.md", "docs/access-logs.md"} {
		blocks := yamlForm.FindAllStringSubmatch(readDocument(t, document), -1)
		if len(blocks) != 1 {
			t.Errorf("%s has %d definitions", document, len(blocks))
		}
		for _, block := range blocks {
			text := block[1]
			if !strings.Contains(text, "protocolType:") {
				text = "name: part\nprotocolType: WEBSOCKET\nrouteSelectionExpression: $request.body.action\nroutes: {echo: {integration: {type: NATS}}}\n" + text
			}
			file := filepath.Join(t.TempDir(), "definition.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, problems, err := app.Validate([]string{file}, "sallyport")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Errorf("%s: %s", document, p.Error())
			}
		}
	}
}

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
	entry := &accesslog.Entry{
		Context: []byte(full), Status: 400, IntegrationStatus: 200, Integration: true, Err: fmt.Errorf("failed"), Validation: "at '': missing",
	}
	empty := map[string]bool{} // by what the table names
	for _, row := range tables(readDocument(t, "docs/access-logs.md"), "| variable | meaning | on |") {
		for _, name := range quoted(row[0]) {
			empty[name] = strings.HasPrefix(row[1], "`-`")
		}
	}
	for _, name := range strings.Fields(contractVariables) {
		step, _, _ := strings.Cut(name, ".")
		isEmpty, documented := empty[name]
		if !documented {
			isEmpty, documented = empty[step+".*"]
		}
		if !documented {
			isEmpty, documented = empty[step+".{name}"]
		}
		if !documented {
			t.Errorf("%s is not documented", name)
			continue
		}
		format, err := accesslog.Parse("$context." + name + " $context.requestId")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(format.Append(nil, entry)); (got == "- r\n") != isEmpty {
			t.Errorf("%s is written as %q", name, got)
		}
	}
}
