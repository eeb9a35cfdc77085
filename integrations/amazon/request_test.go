package amazon_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/amazon"
	"github.com/sallyport/sallyport/integrations/backend"
)

// TestRequests has a row for each way in which a request is put together, every one of them signed.
func TestRequests(t *testing.T) {
	form := "integration.request.header.Content-Type"
	tests := map[string]struct {
		in              gateway.Integration
		service         string // that the signature is scoped to
		subdomain       string // before the endpoint's host
		target, body    string
		method          string            // POST, unless it is told
		header          map[string]string // "" is absent
		ev              *gateway.Event    // a message, unless it is told
		notVerifiedHere bool              // S3 signs paths in its own way
	}{
		"query protocol": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sns:action/Publish", RequestParameters: map[string]string{"integration.request.querystring.Version": "'2010-03-31'", "integration.request.querystring.Message": "route.request.body.text"}},
			service: "sns", target: "/?Action=Publish&Message=a%20b%26c&Version=2010-03-31", body: `{"text":"a b&c"}`,
			header: map[string]string{"Content-Type": "application/json", "X-Amz-Target": ""},
		},
		"an action with parameters": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:ec2:action/DescribeInstances&MaxResults=5", HTTPMethod: "GET"},
			service: "ec2", target: "/?Action=DescribeInstances&MaxResults=5", method: "GET", body: `{"text":"a b&c"}`,
		},
		"JSON protocol": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:kinesis:action/PutRecord"},
			service: "kinesis", target: "/", body: `{"text":"a b&c"}`,
			header: map[string]string{"X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Type": "application/x-amz-json-1.1"},
		},
		"Step Functions": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:states:action/StartExecution"},
			service: "states", target: "/", body: `{"text":"a b&c"}`,
			header: map[string]string{"X-Amz-Target": "AWSStepFunctions.StartExecution", "Content-Type": "application/x-amz-json-1.0"},
		},
		"EventBridge": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:events:action/PutEvents"},
			service: "events", target: "/", body: `{"text":"a b&c"}`,
			header: map[string]string{"X-Amz-Target": "AWSEvents.PutEvents", "Content-Type": "application/x-amz-json-1.1"},
		},
		"SQS": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sqs:action/SendMessage"},
			service: "sqs", target: "/", body: `{"text":"a b&c"}`,
			header: map[string]string{"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"},
		},
		"SQS with a form": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sqs:action/SendMessage", RequestParameters: map[string]string{form: "'application/x-www-form-urlencoded'"}, RequestTemplates: map[string]string{"$default": "MessageBody=$util.urlEncode($input.path('$.text'))"}},
			service: "sqs", target: "/?Action=SendMessage", body: "MessageBody=a+b%26c",
			header: map[string]string{"X-Amz-Target": "", "Content-Type": "application/x-www-form-urlencoded"},
		},
		"SQS by path": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sqs:path/000000000000/{queue}?Version=1", RequestParameters: map[string]string{"integration.request.path.queue": "route.request.body.queue", form: "'application/x-www-form-urlencoded'"}, RequestTemplates: map[string]string{"$default": "Action=SendMessage"}},
			service: "sqs", target: "/000000000000/a%2Fb%20c?Version=1", body: "Action=SendMessage", ev: message(`{"queue":"a/b c"}`),
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		},
		"a mapped target": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem", RequestParameters: map[string]string{"integration.request.header.X-Amz-Target": "'DynamoDB_20111205.PutItem'", form: "'application/x-amz-json-1.1'"}},
			service: "dynamodb", target: "/", body: `{"text":"a b&c"}`,
			header: map[string]string{"X-Amz-Target": "DynamoDB_20111205.PutItem", "Content-Type": "application/x-amz-json-1.1"},
		},
		"a target by path": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:mediastore:path//", RequestParameters: map[string]string{"integration.request.header.X-Amz-Target": "'MediaStore_20170901.ListContainers'"}},
			service: "mediastore", target: "/", body: `{"text":"a b&c"}`,
			header: map[string]string{"X-Amz-Target": "MediaStore_20170901.ListContainers"},
		},
		"asynchronous function": {
			in:      gateway.Integration{URI: invocation, RequestParameters: map[string]string{"integration.request.header.X-Amz-Invocation-Type": "'Event'", "integration.request.querystring.Qualifier": "stageVariables.table"}},
			service: "lambda", target: "/2015-03-31/functions/arn:aws:lambda:eu-central-1:000000000000:function:chat:live/invocations?Qualifier=messages", body: `{"text":"a b&c"}`,
			header: map[string]string{"X-Amz-Invocation-Type": "Event", "Content-Type": "application/json"},
		},
		"no JSON goes as it is": {
			in:      gateway.Integration{URI: invocation},
			service: "lambda", target: "/2015-03-31/functions/arn:aws:lambda:eu-central-1:000000000000:function:chat:live/invocations", body: "hello", ev: message("hello"),
		},
		"subdomain": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:a1b2.iotdata:path/topics/{topic}", RequestParameters: map[string]string{"integration.request.path.topic": "'rooms'"}},
			service: "iotdata", subdomain: "a1b2.", target: "/topics/rooms", body: `{"text":"a b&c"}`,
		},
		"a stream's own service": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:streams.dynamodb:action/ListStreams"},
			service: "dynamodb", subdomain: "streams.", target: "/", body: `{"text":"a b&c"}`,
			header: map[string]string{"X-Amz-Target": "DynamoDBStreams_20120810.ListStreams"},
		},
		"another name in signatures": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:email:action/SendEmail"},
			service: "ses", target: "/?Action=SendEmail", body: `{"text":"a b&c"}`,
		},
		"overrides of the template": {
			in: gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sns:path/{p}", RequestParameters: map[string]string{"integration.request.path.p": "'mapped'", "integration.request.header.X-A": "'mapped'", "integration.request.querystring.q": "'mapped'"},
				RequestTemplates: map[string]string{"$default": "#set($context.requestOverride.header.x-a = ['1', '2'])#set($context.requestOverride.querystring.q = 'set')#set($context.requestOverride.path.p = 'own')body"}},
			service: "sns", target: "/own?q=set", body: "body", header: map[string]string{"X-A": "1,2"},
		},
		"the handshake": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sns:action/Publish", RequestParameters: map[string]string{"integration.request.querystring.Origin": "route.request.header.origin"}},
			service: "sns", target: "/?Action=Publish&Origin=http%3A%2F%2Fpage", body: "",
			ev:     &gateway.Event{Kind: gateway.EventConnect, Header: gateway.Header{"Origin": {"http://page"}, "Cookie": {"a=1"}}},
			header: map[string]string{"Cookie": "", "Content-Type": ""},
		},
		"S3": {
			in:      gateway.Integration{URI: "arn:aws:apigateway:us-east-1:s3:path/bucket/{key}", HTTPMethod: "PUT", RequestParameters: map[string]string{"integration.request.path.key": "'a b'"}},
			service: "s3", target: "/bucket/a%20b", method: "PUT", body: `{"text":"a b&c"}`, notVerifiedHere: true,
			header: map[string]string{"X-Amz-Content-Sha256": "567eb319ffba2eedf2e04cfbf29cd24e858fc29e9c77ec35e146c97125a24989"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			region := "us-east-1"
			if test.service == "lambda" {
				region = "eu-central-1"
			}
			service := newService(t, test.service, region, says(200, "{}"))
			ev := test.ev
			if ev == nil {
				ev = message(`{"text":"a b&c"}`)
			}
			kind := newKind(t, amazon.Config{Endpoints: amazon.Endpoints{All: service.URL}})
			if _, err := open(t, kind, test.in, route()).Invoke(t.Context(), ev); err != nil {
				t.Fatal(err)
			}
			g := service.got
			if g.refused != nil && !test.notVerifiedHere {
				t.Errorf("the signature is wrong: %v", g.refused)
			}
			if test.method == "" {
				test.method = http.MethodPost
			}
			if g.method != test.method || g.target != test.target || g.body != test.body {
				t.Errorf("%s %s %q, want %s %s %q", g.method, g.target, g.body, test.method, test.target, test.body)
			}
			if want := test.subdomain + strings.TrimPrefix(service.URL, "http://"); g.host != want {
				t.Errorf("Host %q, want %q", g.host, want)
			}
			for header, want := range test.header {
				if value := g.header.Get(header); value != want {
					t.Errorf("%s: %q, want %q", header, value, want)
				}
			}
		})
	}
}

// TestSessionToken: temporary credentials send their token, which is signed too.
func TestSessionToken(t *testing.T) {
	service := newService(t, "sns", "us-east-1", says(200, "{}"))
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	kind := newKind(t, amazon.Config{
		Credentials: amazon.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: "token"},
		Endpoints:   amazon.Endpoints{All: service.URL}, Now: func() time.Time { return at },
	})
	if _, err := open(t, kind, gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sns:action/Publish"}, route()).Invoke(t.Context(), message("x")); err != nil {
		t.Fatal(err)
	}
	h := service.got.header
	if h.Get("X-Amz-Security-Token") != "token" || h.Get("X-Amz-Date") != "20261124T120000Z" ||
		!strings.Contains(h.Get("Authorization"), "Credential="+keyID+"/20261124/us-east-1/sns/aws4_request, ") ||
		!strings.Contains(h.Get("Authorization"), ";x-amz-security-token") {
		t.Errorf("headers %v", h)
	}
}

// TestTemplatesCantSign: what belongs to the signature, or to the connection, is an error of the integration.
func TestTemplatesCantSign(t *testing.T) {
	service := newService(t, "sns", "us-east-1", says(200, "{}"))
	kind := newKind(t, amazon.Config{Endpoints: amazon.Endpoints{All: service.URL}})
	for _, name := range []string{"authorization", "x-amz-date", "content-length", "bad name"} {
		invoker := open(t, kind, gateway.Integration{
			URI:              "arn:aws:apigateway:us-east-1:sns:action/Publish",
			RequestTemplates: map[string]string{"$default": "#set($context.requestOverride.header['" + name + "'] = 'x')x"},
		}, route())
		if _, err := invoker.Invoke(t.Context(), message("x")); gateway.ErrorCode(err) != gateway.CodeIntegration {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if service.got.method != "" {
		t.Errorf("the service was called with %v", service.got.header)
	}
}

func TestCheck(t *testing.T) {
	kind := newKind(t, amazon.Config{})
	ok := map[string]*gateway.IntegrationResponse{"default": {}}
	const put = "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem"
	tests := map[string]struct {
		in   gateway.Integration
		want []string
	}{
		"fine":               {gateway.Integration{URI: put, Responses: ok}, nil},
		"variables":          {gateway.Integration{URI: "arn:aws:apigateway:${stageVariables.r}:${stageVariables.s}:action/${stageVariables.a}", Responses: ok}, nil},
		"all of it variable": {gateway.Integration{URI: "${stageVariables.arn}", Responses: ok}, nil},
		"China":              {gateway.Integration{URI: "arn:aws-cn:apigateway:cn-north-1:sqs:action/SendMessage", Responses: ok}, nil},
		"missing":            {gateway.Integration{Responses: ok}, []string{"uri: uri is missing"}},
		"a URL":              {gateway.Integration{URI: "https://dynamodb.us-east-1.amazonaws.com", Responses: ok}, []string{"uri: uri is no ARN"}},
		"a function's ARN":   {gateway.Integration{URI: "arn:aws:lambda:us-east-1:000000000000:function:x", Responses: ok}, []string{"uri: uri is no ARN"}},
		"a host in it":       {gateway.Integration{URI: "arn:aws:apigateway:us-east-1:evil.example/x:path/", Responses: ok}, []string{"uri: uri is no ARN"}},
		"client's service":   {gateway.Integration{URI: "arn:aws:apigateway:us-east-1:{s}:path/", Responses: ok}, []string{"uri: uri is no ARN"}},
		"no action":          {gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sns:action/", Responses: ok}, []string{"uri: the action is no name"}},
		"odd action":         {gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sns:action/A/B", Responses: ok}, []string{"uri: the action is no name"}},
		"space":              {gateway.Integration{URI: "arn:aws:apigateway:us-east-1:sns:path/a b", Responses: ok}, []string{"uri: uri has a space"}},
		"too long":           {gateway.Integration{URI: put + strings.Repeat("x", 2048), Responses: ok}, []string{"uri: uri is longer"}},
		"method":             {gateway.Integration{URI: put, HTTPMethod: "TRACE", Responses: ok}, []string{"httpMethod: unknown method"}},
		"function by GET":    {gateway.Integration{URI: invocation, HTTPMethod: "GET", Responses: ok}, []string{"httpMethod: functions are invoked with POST"}},
		"no response":        {gateway.Integration{URI: put}, []string{"responses: AWS needs an integration response"}},
		"template":           {gateway.Integration{URI: put, Responses: ok, RequestTemplates: map[string]string{"x": "y"}}, []string{"requestTemplates.x: the key is no media type"}},
		"signature":          {gateway.Integration{URI: put, Responses: ok, RequestParameters: map[string]string{"integration.request.header.host": "'h'", "integration.request.header.authorization": "'h'"}}, []string{"requestParameters.integration.request.header.authorization: this header belongs to the signature", "requestParameters.integration.request.header.host: this header"}},
		"framing":            {gateway.Integration{URI: put, Responses: ok, RequestParameters: map[string]string{"integration.request.header.content-length": "'1'"}}, []string{"requestParameters.integration.request.header.content-length: this header belongs to the connection"}},
		"no such parameter":  {gateway.Integration{URI: put, Responses: ok, RequestParameters: map[string]string{"integration.request.path.id": "'1'"}}, []string{"requestParameters.integration.request.path.id: the uri has no {id}"}},
		"subject":            {gateway.Integration{URI: put, Responses: ok, Subject: "a"}, []string{"subject: subject is not used by AWS"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.in.Type = gateway.IntegrationAWS
			faults := kind.Check(&test.in, gateway.ProtocolWebSocket)
			if len(faults) != len(test.want) {
				t.Fatalf("faults %v, want %v", faults, test.want)
			}
			for i, f := range faults {
				if !strings.HasPrefix(f.String(), test.want[i]) || f.Hint == "" {
					t.Errorf("fault %v, want %q and a hint", f, test.want[i])
				}
			}
		})
	}
	in := gateway.Integration{Type: gateway.IntegrationAWS, URI: put, Responses: ok}
	if faults := kind.Check(&in, gateway.ProtocolHTTP); len(faults) != 1 || faults[0].At() != "type" {
		t.Errorf("HTTP API: %v", faults)
	}
}

// TestOpenFaults: what only the process and the stage can say.
func TestOpenFaults(t *testing.T) {
	in := func(uri string) *gateway.Integration {
		return &gateway.Integration{Type: gateway.IntegrationAWS, URI: uri, Responses: map[string]*gateway.IntegrationResponse{"default": {}}}
	}
	client := backend.New(backend.Config{})
	defer client.Close()
	unsigned, err := amazon.New(amazon.Config{Client: client, Credentials: amazon.Credentials{AccessKeyID: "only half"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		kind *amazon.Kind
		uri  string
		vars map[string]string
		want string
	}{
		"no credentials":    {unsigned, "arn:aws:apigateway:us-east-1:sns:action/Publish", nil, "type: there are no credentials to sign calls of AWS with (set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		"no variable":       {newKind(t, amazon.Config{}), "arn:aws:apigateway:${stageVariables.r}:sns:action/Publish", nil, "uri: the stage has no variable r"},
		"variable is junk":  {newKind(t, amazon.Config{}), "arn:aws:apigateway:${stageVariables.r}:sns:action/Publish", map[string]string{"r": "x.evil.example/"}, "uri: uri is no ARN"},
		"endpoint":          {newKind(t, amazon.Config{Endpoints: amazon.Endpoints{All: "localhost"}}), "arn:aws:apigateway:us-east-1:sns:action/Publish", nil, "uri: AWS_ENDPOINT_URL: uri "},
		"variable is a URL": {newKind(t, amazon.Config{}), "${stageVariables.r}", map[string]string{"r": "http://evil.example"}, "uri: uri is no ARN"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.kind.Open(in(test.uri), integrations.Route{Variables: test.vars})
			var fault *integrations.FaultError
			if !errors.As(err, &fault) || !strings.HasPrefix(fault.Error(), test.want) || fault.Fault.Hint == "" || strings.Contains(err.Error(), "half") {
				t.Errorf("Open = %v, want %q", err, test.want)
			}
		})
	}
}
