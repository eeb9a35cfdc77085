package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

// lastMessage asks for the last message of a subject; messageAnswer is the answer (JetStream's API, STREAM.MSG.GET).
type lastMessage struct {
	Subject string `json:"last_by_subj"`
}

type messageAnswer struct {
	Error   *jetstream.APIError `json:"error"`
	Message *struct {
		Seq    uint64    `json:"seq"`
		Header []byte    `json:"hdrs"`
		Data   []byte    `json:"data"`
		Time   time.Time `json:"time"`
	} `json:"message"`
}

// Read is Get with what else is known of the key, and as the server that leads the bucket has it: every write that has
// returned before is seen. nats.go lets any server that keeps a bucket answer, so the leader is asked by its API.
func (b *Bucket) Read(ctx context.Context, key string) (BucketEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, bucketCall)
	defer cancel()
	question, err := json.Marshal(lastMessage{bucketSubjects(b.name) + key})
	if err != nil {
		return BucketEntry{}, gateway.Errorf(gateway.CodeBadRequest, "the key can't stand in a bucket").Because(err)
	}
	reply, err := b.js.Conn().RequestWithContext(ctx, b.api+"STREAM.MSG.GET."+bucketStream(b.name), question)
	if err != nil {
		return BucketEntry{}, bucketError(err)
	}
	var answer messageAnswer
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return BucketEntry{}, bucketError(fmt.Errorf("the answer of JetStream: %w", err))
	}
	m := answer.Message
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return BucketEntry{}, ErrNoKey
	case answer.Error != nil:
		return BucketEntry{}, bucketError(answer.Error)
	case m == nil:
		return BucketEntry{}, bucketError(errors.New("the answer of JetStream has no message"))
	case len(m.Header) > 0:
		header, err := nats.DecodeHeadersMsg(m.Header)
		if err != nil {
			return BucketEntry{}, bucketError(err)
		}
		if header.Get(bucketOperation) != "" || header.Get(jetstream.MarkerReasonHeader) != "" { // the mark of a deletion
			return BucketEntry{}, ErrNoKey
		}
	}
	if m.Data == nil {
		m.Data = []byte{}
	}
	return BucketEntry{Key: key, Value: m.Data, Revision: m.Seq, Created: m.Time}, nil
}

// bucketOperation is the header by which a message in a bucket is no value.
const bucketOperation = "KV-Operation"

// streamAPI is the head of JetStream's subjects in a domain.
func streamAPI(domain string) string {
	if domain == "" {
		return jetstream.DefaultAPIPrefix
	}
	return "$JS." + domain + ".API."
}
