package audit

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
)

func ids(f *findings) []string { return slices.Sorted(maps.Keys(f.by)) }

func TestJudgeSettings(t *testing.T) {
	t.Parallel()
	judge := func(fsync, commit, pages string) []string {
		f := newFindings()
		judgeSettings(f, map[string]string{"fsync": fsync, "synchronous_commit": commit, "full_page_writes": pages}, "master")
		return ids(f)
	}
	require.Empty(t, judge("on", "on", "on"))
	require.Empty(t, judge("on", "remote_apply", "on"))
	require.Equal(t, []string{settingsDurable}, judge("off", "on", "on"))
	require.Equal(t, []string{settingsDurable}, judge("on", "off", "on"))
	require.Equal(t, []string{settingsDurable}, judge("on", "on", "off"))
}

// goodQueues is the broker's answer when all is as declared.
func goodQueues() []map[string]any {
	var out []map[string]any
	for _, name := range ourQueues() {
		out = append(out,
			map[string]any{
				"name": name, "type": "quorum", "durable": true, "consumers": 1, "effective_policy_definition": []any{},
				"arguments": map[string]any{
					"x-queue-type": "quorum", "x-delivery-limit": 1000, "x-dead-letter-exchange": "dead_letter",
					"x-dead-letter-routing-key": name, "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
				},
			},
			map[string]any{
				"name": name + ".dead", "type": "quorum", "durable": true, "effective_policy_definition": map[string]any{},
				"arguments": map[string]any{"x-queue-type": "quorum", "x-delivery-limit": 1000000},
			})
	}
	return out
}

func TestJudgeQueues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		plant func(queues []map[string]any)
		want  []string
	}{
		{"Good", func([]map[string]any) {}, nil},
		{"TTL", func(q []map[string]any) { q[0]["arguments"].(map[string]any)["x-message-ttl"] = 60000 }, []string{settingsDurable}},
		{
			"PolicyWithTTL",
			func(q []map[string]any) { q[0]["effective_policy_definition"] = map[string]any{"message-ttl": 1} },
			[]string{settingsDurable},
		},
		{"Classic", func(q []map[string]any) { q[0]["type"] = "classic" }, []string{settingsDurable}},
		{"Transient", func(q []map[string]any) { q[1]["durable"] = false }, []string{settingsDurable}},
		{"NoDeadLetters", func(q []map[string]any) {
			delete(q[2]["arguments"].(map[string]any), "x-dead-letter-exchange")
		}, []string{settingsDurable}},
		{"Missing", func(q []map[string]any) { q[7]["name"] = "other" }, []string{settingsDurable}},
		{"NoConsumer", func(q []map[string]any) { q[0]["consumers"] = 0 }, []string{nothingLeaks}},
		{"DeadLetter", func(q []map[string]any) { q[1]["messages_ready"] = 2 }, []string{quarantineKnown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer := goodQueues()
			tt.plant(answer)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				user, password, _ := r.BasicAuth()
				if r.URL.EscapedPath() != "/api/queues/%2F" || user != "u" || password != "p" {
					http.Error(w, "no", http.StatusUnauthorized)
					return
				}
				_ = json.NewEncoder(w).Encode(answer)
			}))
			defer server.Close()
			b, err := newBroker(strings.Replace(server.URL, "http://", "http://u:p@", 1)+"/", "/")
			require.NoError(t, err)
			queues, err := b.queues(t.Context())
			require.NoError(t, err)
			f := newFindings()
			judgeQueues(f, queues)
			require.Equal(t, tt.want, ids(f))
		})
	}
}

func TestBusyQueues(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"queue customer_mv_queue: 2 ready, 1 unacknowledged"}, busy(map[string]queue{
		"customer_mv_queue": {Ready: 2, Unacked: 1}, "customer_mv_queue.dead": {Ready: 7},
	}))
}

// fakeTemporal answers in pages of one.
type fakeTemporal struct {
	runs []*workflowpb.WorkflowExecutionInfo
}

func (f fakeTemporal) ListWorkflow(
	_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	at := len(r.GetNextPageToken())
	if at >= len(f.runs) {
		return &workflowservice.ListWorkflowExecutionsResponse{}, nil
	}
	return &workflowservice.ListWorkflowExecutionsResponse{
		Executions: f.runs[at : at+1], NextPageToken: make([]byte, at+1),
	}, nil
}

func TestJudgeWorkflows(t *testing.T) {
	t.Parallel()
	const id = "0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"
	run := func(workflow string, status enums.WorkflowExecutionStatus, events int64) *workflowpb.WorkflowExecutionInfo {
		return &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: workflow}, Status: status, HistoryLength: events,
		}
	}
	const (
		done      = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
		continued = enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
		open      = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
		broken    = enums.WORKFLOW_EXECUTION_STATUS_FAILED
		killed    = enums.WORKFLOW_EXECUTION_STATUS_TERMINATED
	)
	good := []*workflowpb.WorkflowExecutionInfo{
		run("campaign-"+id, continued, 3000), run("campaign-"+id, done, 20), run("campaign-"+id+"-lane-01", done, 100),
		run("campaign-"+id+"-retry-1", done, 20), run("campaign-ffffffff-2a90-7a64-8a3c-3a5ef2c43a11", killed, 1),
	}
	tests := []struct {
		name   string
		status string
		runs   []*workflowpb.WorkflowExecutionInfo
		want   []string
	}{
		{"Good", completed, good, nil},
		{"TwoChains", completed, append(slices.Clone(good), run("campaign-"+id, done, 5)), []string{workflowRight}},
		{"FailedLane", completed, append(slices.Clone(good), run("campaign-"+id+"-lane-02", broken, 5)), []string{workflowRight}},
		{"LongHistory", completed, append(slices.Clone(good), run("campaign-"+id+"-lane-02", done, 10_000)), []string{workflowRight}},
		{"RoundWithoutWorkflow", completed, good[:3], []string{workflowRight}},
		{"FailedRound", completed, append(slices.Clone(good[:3]), run("campaign-"+id+"-retry-1", broken, 9)), []string{workflowRight}},
		{"StillOpen", completed, append(slices.Clone(good[:3]), run("campaign-"+id+"-retry-1", open, 9)), []string{workflowRight}},
		{"PausedAndOpen", "PAUSED", append(slices.Clone(good[:3]), run("campaign-"+id+"-retry-1", open, 9)), nil},
		{"PausedAndGone", "PAUSED", good, []string{workflowRight}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all, err := chains(t.Context(), fakeTemporal{tt.runs}, "default", "")
			require.NoError(t, err)
			f := newFindings()
			judgeWorkflows(f, []launched{{id: id, status: tt.status, rounds: 1}}, all)
			require.Equal(t, tt.want, ids(f))
		})
	}
}
