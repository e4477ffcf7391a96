package app

import (
	"context"
	"path"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/xencrm/xencrm/internal/failpoint"
)

// lossy gives what makes Temporal's answers losable while failpoints are on, and nothing otherwise.
func lossy() []grpc.DialOption {
	if !failpoint.Enabled() {
		return nil
	}
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(loseAnswer)}
}

// loseAnswer carries a call out and may then say that it took too long. It lies beneath the SDK's own
// retries, as a network does.
//
//nolint:revive // gRPC's signature
func loseAnswer(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
		return err
	}
	if lost := passed(path.Base(method)); lost != nil {
		return status.Error(codes.DeadlineExceeded, lost.Error())
	}
	return nil
}

// passed passes the point behind a call, if it has one.
func passed(method string) error {
	switch method {
	case "StartWorkflowExecution":
		return failpoint.Err(failpoint.TemporalStart)
	case "SignalWorkflowExecution":
		return failpoint.Err(failpoint.TemporalSignal)
	case "UpdateWorkflowExecution":
		return failpoint.Err(failpoint.TemporalUpdate)
	case "RespondActivityTaskCompleted":
		return failpoint.Err(failpoint.TemporalComplete)
	case "RespondWorkflowTaskCompleted":
		return failpoint.Err(failpoint.TemporalWorkflowComplete)
	}
	return nil
}
