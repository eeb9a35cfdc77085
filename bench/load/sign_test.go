package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The SDK's own signer agrees, on two days.
func TestSignatures(t *testing.T) {
	const path, body = "/api/stage/%40connections/L0SMxcOFvHcCIhw%3D", `{"pushed":1}`
	s := newSigner("AKID", "secret", "127.0.0.1:8080")
	for _, now := range []time.Time{time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)} {
		r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:8080"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(body))
		credentials := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
		if err := v4.NewSigner().SignHTTP(context.Background(), credentials, r, hex.EncodeToString(sum[:]), service, region, now); err != nil {
			t.Fatal(err)
		}
		got := s.header(path, []byte(body), now)
		if want := "Authorization: " + r.Header.Get("Authorization"); !bytes.Contains(got, []byte(want)) {
			t.Errorf("signed with\n%s, the SDK with\n%s", got, want)
		}
		if !strings.Contains(string(got), "X-Amz-Date: "+r.Header.Get("X-Amz-Date")) {
			t.Errorf("the date of %s", got)
		}
	}
}
