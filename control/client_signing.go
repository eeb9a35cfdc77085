package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
)

// Credentials are an access key as a caller holds it.
type Credentials struct{ AccessKeyID, SecretAccessKey string }

// The variables that every AWS SDK and tool reads.
const (
	envAWSID     = "AWS_ACCESS_KEY_ID"
	envAWSSecret = "AWS_SECRET_ACCESS_KEY"
)

// CredentialsFrom returns the root key of an environment, or else the key that AWS tools would take, or the zero value.
// Half a key is none: what signs nothing is told so by the gateway.
func CredentialsFrom(getenv func(string) string) Credentials {
	for _, names := range [][2]string{{accesskeys.EnvRootID, accesskeys.EnvRootSecret}, {envAWSID, envAWSSecret}} {
		if id, secret := getenv(names[0]), getenv(names[1]); id != "" && secret != "" {
			return Credentials{id, secret}
		}
	}
	return Credentials{}
}

// signer signs a client's calls. A nil one signs none.
type signer struct {
	v4          *v4.Signer
	credentials aws.Credentials
}

func newSigner(c Credentials) *signer {
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return nil
	}
	return &signer{v4.NewSigner(), aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}}
}

// sign adds the signature: management calls are the service sallyport's, callbacks execute-api's.
func (s *signer) sign(ctx context.Context, r *http.Request, body []byte) error {
	if s == nil {
		return nil
	}
	service := sigv4.ServiceExecuteAPI
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		service = serviceSallyport
	}
	sum := sha256.Sum256(body)
	if err := s.v4.SignHTTP(ctx, s.credentials, r, hex.EncodeToString(sum[:]), service, gateway.DefaultRegion, time.Now()); err != nil {
		return gateway.Errorf(gateway.CodeInternal, "the call can't be signed").Because(err)
	}
	return nil
}

// advice says what a person can do about a refused signature; "" leaves the gateway's own words.
func (s *signer) advice(errorType string) string {
	const variables = accesskeys.EnvRootID + " and " + accesskeys.EnvRootSecret + ", or " + envAWSID + " and " + envAWSSecret
	switch errorType {
	case sigv4.TypeMissingToken:
		return "this gateway wants signed calls: set " + variables + ", or go by its NATS with --nats URL"
	case sigv4.TypeUnrecognizedClient:
		return "this gateway does not know the access key " + s.credentials.AccessKeyID + ": it was removed, belongs to another gateway, or was sealed with " +
			"another root secret than the gateway has now; access-keys ls, signed with the root key, shows which"
	case sigv4.TypeInvalidSignature:
		return "the gateway refused the signature of the access key " + s.credentials.AccessKeyID + ": the secret here is not the one that the gateway has " +
			"(for the root key that is " + accesskeys.EnvRootSecret + " in the gateway's own environment), or the clocks are more than five minutes apart"
	}
	return ""
}
