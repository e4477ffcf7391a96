package audit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

const (
	// maxHistory is far below Temporal's limit of 51,200 events.
	maxHistory      = 10_000
	temporalTimeout = time.Minute
	workflowPage    = 1000
	uuidLength      = 36
)

// lister is the one call of Temporal's client that the auditor needs.
type lister interface {
	ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// chain is all the runs of one workflow id.
type chain struct {
	// ends are the statuses of runs that did not continue as new: one, when all is well.
	ends    []enums.WorkflowExecutionStatus
	longest int64
}

func dialTemporal(address, namespace string) (client.Client, error) {
	c, err := client.NewLazyClient(client.Options{
		HostPort: address, Namespace: namespace, Identity: applicationName,
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal: %w", err)
	}
	return c, nil
}

// chains gives the workflows of all campaigns, by id; filter narrows the question.
func chains(ctx context.Context, l lister, namespace, filter string) (map[string]*chain, error) {
	ctx, cancel := context.WithTimeout(ctx, temporalTimeout)
	defer cancel()
	out := map[string]*chain{}
	req := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: namespace, PageSize: workflowPage, Query: "WorkflowId STARTS_WITH 'campaign-'" + filter,
	}
	for {
		page, err := l.ListWorkflow(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("list workflows: %w", err)
		}
		for _, w := range page.GetExecutions() {
			id := w.GetExecution().GetWorkflowId()
			c := out[id]
			if c == nil {
				c = &chain{}
				out[id] = c
			}
			if w.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
				c.ends = append(c.ends, w.GetStatus())
			}
			c.longest = max(c.longest, w.GetHistoryLength())
		}
		if len(page.GetNextPageToken()) == 0 {
			return out, nil
		}
		req.NextPageToken = page.GetNextPageToken()
	}
}

// running gives the ids of open campaign workflows.
func running(ctx context.Context, l lister, namespace string) (map[string]*chain, error) {
	return chains(ctx, l, namespace, " AND ExecutionStatus = 'Running'")
}

// campaignOf takes the campaign's id out of a workflow's id: campaign-<id>, campaign-<id>-retry-1 or
// either with -lane-01 behind it.
func campaignOf(workflowID string) string {
	id := strings.TrimPrefix(workflowID, "campaign-")
	return id[:min(len(id), uuidLength)]
}

// launched is what the database says of a campaign whose workflow was started.
type launched struct {
	id, status string
	rounds     int
	// old says that Temporal may have forgotten it.
	old bool
}

func (c launched) ended() bool {
	return c.status == completed || c.status == cancelled || c.status == failed
}

func (c launched) workflowID(round int) string {
	if round == 0 {
		return "campaign-" + c.id
	}
	return fmt.Sprintf("campaign-%s-retry-%d", c.id, round)
}

func launchedCampaigns(ctx context.Context, tx pgx.Tx) ([]launched, error) {
	rows, err := tx.Query(ctx, `SELECT campaign_id::text, status, round,
			coalesce(finished_at, created_at) < now() - interval '1 day'
		FROM campaigns WHERE start_confirmed_at IS NOT NULL ORDER BY created_at`)
	if err != nil {
		return nil, fmt.Errorf("read the campaigns: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (launched, error) {
		var c launched
		return c, row.Scan(&c.id, &c.status, &c.rounds, &c.old)
	})
}

// judgeWorkflows holds every round of every campaign against its workflow.
func judgeWorkflows(f *findings, campaigns []launched, all map[string]*chain) {
	known := map[string]launched{}
	for _, c := range campaigns {
		known[c.id] = c
		for round := range c.rounds + 1 {
			w, ok := all[c.workflowID(round)]
			switch {
			case ok:
				judgeChain(f, c, round, w)
			case !c.old:
				f.add(workflowRight, "workflow %s does not exist", c.workflowID(round))
			}
		}
	}
	for id, w := range all {
		// Other systems may share the namespace.
		if _, ours := known[campaignOf(id)]; !ours {
			continue
		}
		if w.longest >= maxHistory {
			f.add(workflowRight, "workflow %s has a run of %d events", id, w.longest)
		}
		if strings.Contains(id, "-lane-") {
			judgeLane(f, id, w)
		}
	}
}

func judgeChain(f *findings, c launched, round int, w *chain) {
	id := c.workflowID(round)
	if len(w.ends) != 1 {
		f.add(workflowRight, "workflow %s has %d chains of runs", id, len(w.ends))
		return
	}
	end := w.ends[0]
	if round == c.rounds && !c.ended() {
		if end != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			f.add(workflowRight, "workflow %s is %s, but its campaign is %s", id, end, c.status)
		}
		return
	}
	ok := end == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED ||
		(end == enums.WORKFLOW_EXECUTION_STATUS_CANCELED && c.status == cancelled) ||
		(end == enums.WORKFLOW_EXECUTION_STATUS_FAILED && c.status == failed)
	if !ok {
		f.add(workflowRight, "workflow %s is %s, but its campaign is %s", id, end, c.status)
	}
}

func judgeLane(f *findings, id string, w *chain) {
	for _, end := range w.ends {
		if end == enums.WORKFLOW_EXECUTION_STATUS_FAILED || end == enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT ||
			end == enums.WORKFLOW_EXECUTION_STATUS_TERMINATED {
			f.add(workflowRight, "workflow %s is %s", id, end)
		}
	}
}
