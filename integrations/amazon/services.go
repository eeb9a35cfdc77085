package amazon

// service is what has to be known of a service beyond its name in an ARN. Sources are the service models that the AWS
// SDKs are made from (botocore/data/NAME/service-2.json, member metadata): targetPrefix and jsonVersion of the
// JSON protocol, signingName, and serviceId, which the SDKs name endpoint variables after.
type service struct {
	// target begins the X-Amz-Target header of a service that speaks the JSON protocol; "" is the query form of actions.
	target string
	// json is that protocol's version, the end of its content type.
	json string
	// signing is the name that signatures are scoped to; "" is the ARN's own.
	signing string
	// id is the SDKs' name as it ends AWS_ENDPOINT_URL_; "" is the ARN's own in capitals.
	id string
	// host is the public host's label; "" is the ARN's own. subdomain stands before it where the ARN has none.
	host, subdomain string
	// plainPaths is S3's way to sign: paths are not encoded a second time, and the body's hash is a header.
	plainPaths bool
}

// lookup returns what is known of a service by its name in an ARN, with its subdomain where that makes it another one. Of
// others nothing has to be known: they have paths, or take actions in the query, as SNS does.
func lookup(subdomain, name string) service {
	if subdomain != "" {
		if subdomain+"."+name == "streams.dynamodb" {
			return service{target: "DynamoDBStreams_20120810", json: "1.0", id: "DYNAMODB_STREAMS"} // dynamodbstreams
		}
	}
	switch name {
	case "dynamodb": // dynamodb
		return service{target: "DynamoDB_20120810", json: "1.0"}
	case "kinesis": // kinesis
		return service{target: "Kinesis_20131202", json: "1.1"}
	case "firehose": // firehose
		return service{target: "Firehose_20150804", json: "1.1"}
	case "sqs": // sqs; its query form is still taken
		return service{target: "AmazonSQS", json: "1.0"}
	case "states": // stepfunctions
		return service{target: "AWSStepFunctions", json: "1.0", id: "SFN"}
	case "events": // events
		return service{target: "AWSEvents", json: "1.1", id: "EVENTBRIDGE"}
	case "logs": // logs
		return service{target: "Logs_20140328", json: "1.1", id: "CLOUDWATCH_LOGS"}
	case "ssm": // ssm
		return service{target: "AmazonSSM", json: "1.1"}
	case "secretsmanager": // secretsmanager
		return service{target: "secretsmanager", json: "1.1", id: "SECRETS_MANAGER"}
	case "kms": // kms
		return service{target: "TrentService", json: "1.1"}
	case "cognito-idp": // cognito-idp
		return service{target: "AWSCognitoIdentityProviderService", json: "1.1", id: "COGNITO_IDENTITY_PROVIDER"}
	case "comprehend": // comprehend
		return service{target: "Comprehend_20171127", json: "1.1"}
	case "translate": // translate
		return service{target: "AWSShineFrontendService_20170701", json: "1.1"}
	case "rekognition": // rekognition
		return service{target: "RekognitionService", json: "1.1"}
	case "email": // ses
		return service{signing: "ses", id: "SES"}
	case "monitoring": // cloudwatch, whose query form it still takes
		return service{id: "CLOUDWATCH"}
	case "iotdata": // iot-data
		return service{id: "IOT_DATA_PLANE", host: "iot", subdomain: "data-ats"}
	case "s3": // s3; "Example: PUT Object" of its signing guide
		return service{plainPaths: true}
	}
	return service{}
}
