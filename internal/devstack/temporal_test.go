package devstack

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	echoQueue  = "echo"
	echoFinish = "finish"
)

func campaignStatus() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("CampaignStatus")
}

// echoWorkflow tags itself, runs an activity, and waits for an update that says how it ends.
func echoWorkflow(ctx workflow.Context) (string, error) {
	var result string
	if err := workflow.SetUpdateHandler(ctx, echoFinish, func(_ workflow.Context, text string) error {
		result = text
		return nil
	}); err != nil {
		return "", err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx,
		campaignStatus().ValueSet("ACTIVE"),
		temporal.NewSearchAttributeKeyKeyword("CampaignName").ValueSet("Win back"),
		temporal.NewSearchAttributeKeyKeyword("SegmentId").ValueSet("s-1"),
	); err != nil {
		return "", err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	if err := workflow.ExecuteActivity(ctx, echoActivity).Get(ctx, nil); err != nil {
		return "", err
	}
	err := workflow.Await(ctx, func() bool { return result != "" })
	return result, err
}

func echoActivity(context.Context) error { return nil }

func dialTemporal(t *testing.T, s *Stack) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: s.TemporalAddress})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func startEchoWorker(t *testing.T, c client.Client) worker.Worker {
	t.Helper()
	w := worker.New(c, echoQueue, worker.Options{})
	w.RegisterWorkflow(echoWorkflow)
	w.RegisterActivity(echoActivity)
	require.NoError(t, w.Start())
	return w
}

func TestTemporalKeepsWorkflowsOverAKill(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"OnSQLite":     {Temporal: true},
		"OnPostgreSQL": {Temporal: true, Postgres: true, TemporalOnPostgres: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepsWorkflowsOverAKill(t, o)
		})
	}
}

func TestTemporalOnAPostgreSQLThatIsNotOurs(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{
		Dir: t.TempDir(), Temporal: true, TemporalOnPostgres: true, Postgres: true,
		MasterURL: "postgres://127.0.0.1/a", BusinessURL: "postgres://127.0.0.1/b",
	})
	require.ErrorContains(t, err, "leave the databases' addresses out")
}

func keepsWorkflowsOverAKill(t *testing.T, o Options) {
	t.Helper()
	root, err := Checkout()
	require.NoError(t, err)
	o.BinDir = root + "/.dev/bin"
	s := start(t, o)
	if o.TemporalOnPostgres {
		var version string
		query(t, s.cluster.url(adminRole, s.state.AdminPassword, temporalVisibilityDatabase), "SELECT curr_version FROM schema_version", &version)
		require.NotEqual(t, "0.0", version)
	}
	c := dialTemporal(t, s)
	w := startEchoWorker(t, c)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "echo-1", TaskQueue: echoQueue}, echoWorkflow)
	require.NoError(t, err)
	lists := func(query string) func() error {
		return func() error {
			found, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
			if err == nil && len(found.Executions) != 1 {
				err = errs.Errorf(errs.NotFound, "%s finds %d", query, len(found.Executions))
			}
			return err
		}
	}
	const query = "CampaignStatus = 'ACTIVE' AND CampaignName = 'Win back' AND SegmentId = 's-1'"
	eventually(t, "listed by its search attributes", lists(query))
	w.Stop()

	require.NoError(t, s.Temporal().Kill())
	require.NoError(t, s.Temporal().Start(t.Context()))
	eventually(t, "listed after a kill", lists(query+" AND ExecutionStatus = 'Running'"))
	w = startEchoWorker(t, c)
	defer w.Stop()
	handle, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: echoFinish, Args: []any{"done"},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	require.NoError(t, handle.Get(t.Context(), nil))
	var result string
	require.NoError(t, run.Get(t.Context(), &result))
	require.Equal(t, "done", result)

	ns, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	require.NoError(t, err)
	require.Equal(t, 72*time.Hour, ns.Config.WorkflowExecutionRetentionTtl.AsDuration())
}
