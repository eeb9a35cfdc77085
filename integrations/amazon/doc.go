// Package amazon calls services of AWS, or of what stands in for them: the AWS integration (contract/websocket-api.md §7.5,
// contract/rest-api.md §5.2, §6.4).
//
// The uri is API Gateway's ARN of an action or a path of a service, such as
// arn:aws:apigateway:eu-central-1:dynamodb:action/PutItem; where the service is comes from Config. One path through it:
// integrations/transform makes the body from an event, call.go puts the request together and signs it, backend.Client
// sends it, and transform makes the result: by the service's status or, of a function, by its error message.
//
// integrations/lambda is the kind that sends functions the proxy event and needs no signature.
package amazon
