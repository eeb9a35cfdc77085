// Command awsgov1 does what sdk_callbacks.mjs does, with version 1 of the AWS SDK for Go. It is a module of its own, so that the
// product does not depend on an SDK that is no longer kept.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/apigatewaymanagementapi"
)

// outcome is what the SDK made of one answer.
type outcome struct {
	Status   int    `json:"status"`
	Error    string `json:"error,omitempty"`
	Message  string `json:"message,omitempty"`
	SourceIP string `json:"sourceIp,omitempty"`
}

// tooLarge is more than the default limit of a message.
const tooLarge = 1<<20 + 1

func main() {
	id := os.Getenv("CONNECTION_ID")
	if id == "" || os.Getenv("CALLBACK_URL") == "" {
		fmt.Fprintln(os.Stderr, "CONNECTION_ID or CALLBACK_URL is not set")
		os.Exit(2)
	}
	s, err := session.NewSession(&aws.Config{
		Endpoint: aws.String(os.Getenv("CALLBACK_URL")), Region: aws.String("us-east-1"),
		Credentials: credentials.NewStaticCredentials(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client := apigatewaymanagementapi.New(s)
	post := func(id, data string) outcome {
		_, err := client.PostToConnection(&apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte(data)})
		return outcomeOf(err, 200)
	}
	get := func(id string) outcome {
		out, err := client.GetConnection(&apigatewaymanagementapi.GetConnectionInput{ConnectionId: &id})
		o := outcomeOf(err, 200)
		if err == nil && out.Identity != nil {
			o.SourceIP = aws.StringValue(out.Identity.SourceIp)
		}
		return o
	}
	remove := func(id string) outcome {
		_, err := client.DeleteConnection(&apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &id})
		return outcomeOf(err, 204)
	}
	unknown := id[:4] + "AAAAAAAAAAA="
	message := os.Getenv("MESSAGE")
	// In this order: the last two close the connection and look again.
	results := map[string]outcome{}
	results["post"] = post(id, message)
	results["get"] = get(id)
	results["postUnknown"], results["getUnknown"], results["deleteUnknown"] = post(unknown, message), get(unknown), remove(unknown)
	results["postMalformed"] = post("test-connection-123", message)
	results["postTooLarge"] = post(id, strings.Repeat("x", tooLarge))
	results["delete"] = remove(id)
	results["postDeleted"] = post(id, message)
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// outcomeOf reads a failure; the SDK does not tell the status of a success.
func outcomeOf(err error, success int) outcome {
	var failure awserr.RequestFailure
	switch {
	case err == nil:
		return outcome{Status: success}
	case errors.As(err, &failure):
		return outcome{Status: failure.StatusCode(), Error: failure.Code(), Message: failure.Message()}
	}
	return outcome{Error: err.Error()}
}
