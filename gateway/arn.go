package gateway

// The parts of ARNs that this gateway has no use for: backends cut ARNs at their colons, so something must stand there.
const (
	// DefaultRegion is the region of clients that name none.
	DefaultRegion = "us-east-1"
	// DefaultAccount is the account number that emulators of Amazon's services share.
	DefaultAccount = "000000000000"
)

// InvokeARN returns the ARN that authorizers and their policies know a route by (contract/websocket-api.md §10.1):
// resource is $connect, or POST/@connections/{id}.
func InvokeARN(api APIID, stage StageName, resource string) string {
	return "arn:aws:execute-api:" + DefaultRegion + ":" + DefaultAccount + ":" + string(api) + "/" + string(stage) + "/" + resource
}
