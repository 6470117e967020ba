// Greets whoever the event names, and says how much time was left.
package main

import (
	"context"
	"log"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Name string `json:"name"`
}

type greeting struct {
	Message         string `json:"message"`
	Function        string `json:"function"`
	RequestID       string `json:"requestId"`
	RemainingMillis int64  `json:"remainingMillis"`
}

func handler(ctx context.Context, e event) (greeting, error) {
	if e.Name == "" {
		e.Name = "world"
	}
	log.Printf("greeting %s", e.Name)
	deadline, _ := ctx.Deadline()
	invocation, _ := lambdacontext.FromContext(ctx)
	return greeting{
		Message:         "Hello, " + e.Name + "!",
		Function:        lambdacontext.FunctionName,
		RequestID:       invocation.AwsRequestID,
		RemainingMillis: time.Until(deadline).Milliseconds(),
	}, nil
}

func main() {
	lambda.Start(handler)
}
