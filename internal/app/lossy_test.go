package app

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// TestLostAnswers turns failpoints on for this process, so that it has no subtests beside each other.
//
//nolint:paralleltest // failpoints are the process's
func TestLostAnswers(t *testing.T) {
	require.Empty(t, lossy(), "nothing is installed while failpoints are off")
	dir := t.TempDir()
	require.NoError(t, Prepare("tester", config.Env{Failpoints: dir, GCPercent: 100}))
	t.Cleanup(func() { require.NoError(t, failpoint.Setup("", "")) })
	require.Len(t, lossy(), 1)

	calls := map[string]string{
		"StartWorkflowExecution":       "temporal.start",
		"SignalWorkflowExecution":      "temporal.signal",
		"UpdateWorkflowExecution":      "temporal.update",
		"RespondActivityTaskCompleted": "temporal.complete",
		"RespondWorkflowTaskCompleted": "temporal.workflow_complete",
	}
	for method, point := range calls {
		plan := "plan " + method + "\n" + point + " err@2\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "plan.new"), []byte(plan), 0o600))
		require.NoError(t, os.Rename(filepath.Join(dir, "plan.new"), filepath.Join(dir, "plan")))
		carriedOut := 0
		call := func() error {
			return loseAnswer(t.Context(), "/temporal.api.workflowservice.v1.WorkflowService/"+method, nil, nil, nil,
				func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
					carriedOut++
					return nil
				})
		}
		require.NoError(t, call(), method)
		require.Equal(t, codes.DeadlineExceeded, status.Code(call()), method)
		require.NoError(t, call(), method)
		require.Equal(t, 3, carriedOut, method)
	}
	require.NoError(t, loseAnswer(t.Context(), "/x/PollWorkflowTaskQueue", nil, nil, nil,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }))
}
