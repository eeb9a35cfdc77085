package bus

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

func TestKeySetsAreAskedOfOneWorker(t *testing.T) {
	e := startNATS(t)
	conn := connect(t, e)
	asked := make(chan KeySetQuery, 2)
	for range 2 {
		s, err := ServeKeySets(KeySetConfig{Conn: connect(t, e), Handler: func(_ context.Context, q KeySetQuery) ([]byte, error) {
			asked <- q
			switch q.Issuer {
			case "unknown":
				return nil, gateway.Errorf(gateway.CodeForbidden, "not that one")
			case "broken":
				return nil, errors.New("private")
			}
			return []byte("keys of " + q.Issuer), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
	}
	q := KeySetQuery{Issuer: "https://id.example.com", KeyID: "a"}
	if got, err := conn.KeySet(t.Context(), Subjects{}, q); err != nil || string(got) != "keys of https://id.example.com" {
		t.Errorf("%q, %v", got, err)
	}
	if got := receive(t, asked); got != q || len(asked) != 0 {
		t.Errorf("asked %+v, and %d more", got, len(asked))
	}
	_, err := conn.KeySet(t.Context(), Subjects{}, KeySetQuery{Issuer: "unknown"})
	wantCode(t, err, gateway.CodeForbidden)
	_, err = conn.KeySet(t.Context(), Subjects{}, KeySetQuery{Issuer: "broken"})
	wantCode(t, err, gateway.CodeInternal)
	if strings.Contains(err.Error(), "private") {
		t.Errorf("a private cause travelled: %v", err)
	}
	for range 2 {
		receive(t, asked)
	}
	_, err = conn.KeySet(t.Context(), Subjects{}, KeySetQuery{Issuer: "i", KeyID: strings.Repeat("k", maxKeyQueryBytes)})
	wantCode(t, err, gateway.CodeBadRequest)
	_, err = conn.KeySet(t.Context(), Subjects{}, KeySetQuery{})
	wantCode(t, err, gateway.CodeBadRequest)
}

func TestKeySetsWithoutWorker(t *testing.T) {
	e := startNATS(t)
	conn := connect(t, e)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := conn.KeySet(ctx, Subjects{}, KeySetQuery{Issuer: "i"})
	wantCode(t, err, gateway.CodeUnavailable)
	began := make(chan struct{})
	s, err := ServeKeySets(KeySetConfig{Conn: connect(t, e), Handler: func(ctx context.Context, _ KeySetQuery) ([]byte, error) {
		close(began)
		<-ctx.Done() // Close ends it
		return nil, ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := conn.KeySet(ctx, Subjects{}, KeySetQuery{Issuer: "i"})
		got <- err
	}()
	receive(t, began)
	s.Close()
	s.Close()
	if err := receive(t, got); err == nil {
		t.Error("a question that was cut off got keys")
	}
}
