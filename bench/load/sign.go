package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"time"
)

// signer signs POSTs as the AWS SDKs do (Signature Version 4), for a service that any region is good for. The key of a
// day is derived once, so that a signature costs a few microseconds.
type signer struct {
	id, secret, host string
	day              string
	mac              hash.Hash // with the day's key
}

const (
	region      = "us-east-1"
	service     = "execute-api"
	dayFormat   = "20060102"
	timeFormat  = "20060102T150405Z"
	algorithm   = "AWS4-HMAC-SHA256"
	scopeSuffix = "/" + region + "/" + service + "/aws4_request"
	signed      = "host;x-amz-date"
)

func newSigner(id, secret, host string) *signer { return &signer{id: id, secret: secret, host: host} }

// header returns the lines that sign a POST of body to path, which is escaped as it is sent.
func (s *signer) header(path string, body []byte, now time.Time) []byte {
	now = now.UTC()
	at, day := now.Format(timeFormat), now.Format(dayFormat)
	if day != s.day {
		s.day, s.mac = day, hmac.New(sha256.New, s.keyOf(day))
	}
	payload := sha256.Sum256(body)
	// The path is escaped once more for the signature, for all services but S3.
	request := "POST\n" + strings.ReplaceAll(path, "%", "%25") + "\n\nhost:" + s.host + "\nx-amz-date:" + at + "\n\n" + signed + "\n" + hex.EncodeToString(payload[:])
	sum := sha256.Sum256([]byte(request))
	s.mac.Reset()
	s.mac.Write([]byte(algorithm + "\n" + at + "\n" + day + scopeSuffix + "\n" + hex.EncodeToString(sum[:])))
	return []byte("X-Amz-Date: " + at + "\r\nAuthorization: " + algorithm + " Credential=" + s.id + "/" + day + scopeSuffix +
		", SignedHeaders=" + signed + ", Signature=" + hex.EncodeToString(s.mac.Sum(nil)) + "\r\n")
}

func (s *signer) keyOf(day string) []byte {
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{day, region, service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return key
}
