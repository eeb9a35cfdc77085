package iam

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
)

type keyring map[string]accesskeys.Key

func (k keyring) Key(_ context.Context, id string) (accesskeys.Key, error) {
	key, ok := k[id]
	if !ok {
		return accesskeys.Key{}, accesskeys.ErrUnknown
	}
	return key, nil
}

var keys = keyring{
	"ALL":     {ID: "ALL", Secret: "s1"},
	"CHAT":    {ID: "CHAT", Secret: "s2", APIs: []gateway.APIID{"chat"}, Actions: []accesskeys.Action{accesskeys.ActionInvoke}},
	"OTHER":   {ID: "OTHER", Secret: "s3", APIs: []gateway.APIID{"other"}},
	"MANAGER": {ID: "MANAGER", Secret: "s4", Actions: []accesskeys.Action{accesskeys.ActionManageConnections}},
}

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// handshake signs a handshake of a client, presigned or by headers.
func handshake(t *testing.T, id, secret, style string) *gateway.AuthorizationRequest {
	t.Helper()
	url := "http://chat.localhost:8080/prod?room=a%20b"
	if style == "presigned" {
		url += "&X-Amz-Expires=60"
	}
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := sha256.Sum256(nil)
	signer, credentials := v4.NewSigner(), aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
	switch style {
	case "presigned":
		signed, _, err := signer.PresignHTTP(t.Context(), credentials, r, hex.EncodeToString(empty[:]), "execute-api", "us-east-1", now)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = http.NewRequest("GET", signed, nil); err != nil {
			t.Fatal(err)
		}
	case "headers":
		if err := signer.SignHTTP(t.Context(), credentials, r, hex.EncodeToString(empty[:]), "execute-api", "us-east-1", now); err != nil {
			t.Fatal(err)
		}
	}
	path, query, _ := strings.Cut(r.URL.RequestURI(), "?")
	header := gateway.Header{"Sec-WebSocket-Version": {"13"}}
	for name, v := range r.Header {
		header[strings.ToLower(name)] = v
	}
	return &gateway.AuthorizationRequest{
		Event:  &gateway.Event{Kind: gateway.EventConnect, API: "chat", Stage: "prod", Route: "$connect"},
		Method: "GET", Host: r.Host, Path: path, Query: query, Header: header,
	}
}

func TestAuthorize(t *testing.T) {
	for _, test := range []struct {
		name, id, secret, style string
		refused                 string // the type of the refusal
	}{
		{"by headers", "ALL", "s1", "headers", ""},
		{"presigned", "ALL", "s1", "presigned", ""},
		{"key for this API and action", "CHAT", "s2", "presigned", ""},
		{"unsigned", "ALL", "s1", "", sigv4.TypeMissingToken},
		{"wrong secret", "ALL", "s2", "presigned", sigv4.TypeInvalidSignature},
		{"unknown key", "NOBODY", "s1", "headers", sigv4.TypeUnrecognizedClient},
		{"key for another API", "OTHER", "s3", "headers", sigv4.TypeAccessDenied},
		{"key for another action", "MANAGER", "s4", "presigned", sigv4.TypeAccessDenied},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := New(Config{Keys: keys, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			asked := handshake(t, test.id, test.secret, test.style)
			got, err := a.Authorize(t.Context(), asked)
			report := asked.Report
			signed := test.refused == "" || test.refused == sigv4.TypeAccessDenied
			if !report.Authenticate.Taken || (report.Authenticate.Err == nil) != signed || report.Authorize.Taken != signed ||
				(report.Authorize.Err != nil) != (test.refused == sigv4.TypeAccessDenied) {
				t.Errorf("the report is %+v", report)
			}
			if test.refused != "" {
				var public *gateway.Error
				var reason *sigv4.Error
				if got != nil || !errors.As(err, &public) || public.Code != gateway.CodeForbidden || public.Message != "Forbidden" ||
					!errors.As(err, &reason) || reason.Type != test.refused {
					t.Fatalf("got %v, %v", got, err)
				}
				if reason.Type == sigv4.TypeAccessDenied && !strings.HasSuffix(reason.Message,
					"is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:000000000000:chat/prod/$connect") {
					t.Errorf("reason %q", reason.Message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := &gateway.Authorization{Caller: gateway.Caller{
				AccountID: "000000000000", AccessKey: test.id, Caller: test.id, User: test.id, UserARN: keys[test.id].ARN(),
			}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

type brokenKeys struct{}

func (brokenKeys) Key(context.Context, string) (accesskeys.Key, error) {
	return accesskeys.Key{}, errors.New("no bucket")
}

// Keys that can't be asked are no refusal.
func TestKeysOutOfReach(t *testing.T) {
	a, err := New(Config{Keys: brokenKeys{}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authorize(t.Context(), handshake(t, "ALL", "s1", "headers")); gateway.ErrorCode(err) != gateway.CodeInternal {
		t.Errorf("error %v", err)
	}
}

func TestKeysAreRequired(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("no error without Keys")
	}
}
