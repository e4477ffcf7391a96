package workflows_test

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/workflows"
)

// record writes new histories: go test ./workflows -run TestRecord -record.
var record = flag.Bool("record", false, "record the histories in testdata/replay anew")

const replayDir = "testdata/replay"

// TestReplay replays every recorded history. A failure means that campaigns in flight would get stuck
// when this code is deployed: put the change behind a version (versions.go), do not record anew.
func TestReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(replayDir, "*.json.gz"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 7, "histories are missing")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json.gz"), func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer)
			require.NoError(t, replayer.ReplayWorkflowHistory(quiet(), readHistory(t, file)))
		})
	}
}

func readHistory(t *testing.T, file string) *history.History {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	zip, err := gzip.NewReader(f)
	require.NoError(t, err)
	h, err := client.HistoryFromJSON(zip, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return h
}

// scenario is one campaign to record.
type scenario struct {
	name     string
	audience int
	input    func(*workflows.CampaignInput)
	world    func(*world)
	// drive steers the campaign while it runs.
	drive func(t *testing.T, w *world, s *session)
	// slow says that it waits for a clock, so it runs only to be recorded.
	slow bool
}

func scenarios() []scenario {
	return []scenario{
		{name: "happy", audience: 60, world: func(w *world) { w.settle = true }},
		{name: "happy_lanes", audience: 520, world: func(w *world) { w.settle = true }},
		{name: "refused", audience: 60, world: func(w *world) {
			w.settle = true
			w.onSend = func(seq int) (campaign.MessageState, error) {
				if seq%3 == 0 && w.sends[seq] < 3 {
					return campaign.MessageState{}, temporal.NewApplicationErrorWithOptions("RATE_LIMITED", activities.ErrVendorRefused,
						temporal.ApplicationErrorOptions{NextRetryDelay: 50 * time.Millisecond})
				}
				return campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}, nil
			}
		}},
		{
			name: "pause_resume", audience: 520, world: func(w *world) { w.settle = true },
			// Ten seconds by itself: the updates come in the meantime from a slow server too.
			input: func(in *workflows.CampaignInput) { in.Rate = 50 },
			drive: func(t *testing.T, w *world, s *session) {
				t.Helper()
				s.awaitSends(t, w, 50)
				s.update(t, workflows.PauseUpdate)
				s.update(t, workflows.SetRateUpdate, workflows.SetRateInput{PerSecond: 1000})
				s.update(t, workflows.ResumeUpdate)
			},
		},
		{
			// Lanes that are told when to begin; the histories with a rate before it have none of that.
			name: "turns", audience: 520, world: func(w *world) { w.settle = true },
			input: func(in *workflows.CampaignInput) { in.Rate = 50 },
			drive: func(t *testing.T, w *world, s *session) {
				t.Helper()
				s.awaitSends(t, w, 50)
				s.update(t, workflows.PauseUpdate)
				s.update(t, workflows.ResumeUpdate)
			},
		},
		{
			name: "cancel", audience: 520, world: func(w *world) { w.settle = true },
			input: func(in *workflows.CampaignInput) { in.Rate = 25 },
			drive: func(t *testing.T, w *world, s *session) {
				t.Helper()
				s.awaitSends(t, w, 30)
				s.update(t, workflows.CancelUpdate)
			},
		},
		{
			name: "late_receipts", audience: 20,
			drive: func(t *testing.T, w *world, s *session) {
				t.Helper()
				s.awaitSends(t, w, 20)
				w.deliverAll()
				w.mu.Lock()
				totals := w.totals()
				w.mu.Unlock()
				require.NoError(t, s.client.SignalWorkflow(t.Context(), s.id, "", workflows.ReceiptsSignal, totals))
			},
		},
		{
			name: "vendor_outage", audience: 10,
			world: func(w *world) {
				w.settle = true
				w.onSend = func(seq int) (campaign.MessageState, error) {
					if w.sends[seq] < 4 {
						return campaign.MessageState{}, temporal.NewApplicationErrorWithOptions("NO_ANSWER", activities.ErrVendorUnanswered,
							temporal.ApplicationErrorOptions{NextRetryDelay: 20 * time.Millisecond})
					}
					return campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}, nil
				}
			},
		},
		{name: "retry_round", audience: 300, world: func(w *world) {
			w.settle = true
			for seq := range w.states {
				if seq%50 != 0 {
					w.states[seq] = campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}
				}
			}
		}, input: func(in *workflows.CampaignInput) { in.Round = 1 }},
		{name: "paged_refused", audience: 1030, world: func(w *world) {
			w.settle, w.pageSize = true, 100
			w.onSend = func(seq int) (campaign.MessageState, error) {
				if seq%20 == 0 && w.sends[seq] < 3 {
					return campaign.MessageState{}, temporal.NewApplicationErrorWithOptions("RATE_LIMITED", activities.ErrVendorRefused,
						temporal.ApplicationErrorOptions{NextRetryDelay: 50 * time.Millisecond})
				}
				return campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}, nil
			}
		}},
		{
			name: "paged_pause", audience: 1030, world: slowPages,
			drive: func(t *testing.T, w *world, s *session) {
				t.Helper()
				s.awaitSends(t, w, 50)
				s.update(t, workflows.PauseUpdate)
				s.update(t, workflows.SetRateUpdate, workflows.SetRateInput{PerSecond: 1000})
				s.update(t, workflows.ResumeUpdate)
			},
		},
		{
			name: "paged_cancel", audience: 1030, world: slowPages,
			drive: func(t *testing.T, w *world, s *session) {
				t.Helper()
				s.awaitSends(t, w, 50)
				s.update(t, workflows.CancelUpdate)
			},
		},
	}
}

// slowPages makes pages that take two seconds and stop when they are told to.
func slowPages(w *world) {
	w.settle, w.pageSize = true, 100
	w.onPage = func(ctx context.Context, seq int) bool {
		activity.RecordHeartbeat(ctx, seq)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond): // the vendor's time
			return true
		}
	}
}

// TestRecord runs the scenarios on a real server and writes their histories. Without -record it runs
// them all the same: the workflows must work on a real server, not only in the SDK's test suite.
func TestRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Temporal server")
	}
	t.Parallel()
	address, _ := devtest.Temporal(t)
	c, err := client.Dial(client.Options{HostPort: address, Identity: "recorder", Logger: quiet()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	t.Run("continue_as_new", func(t *testing.T) {
		t.Parallel()
		runLongLane(t, c)
	})
	for _, sc := range append(scenarios(), windowScenarios()...) {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			if sc.slow && !*record {
				t.Skip("takes a minute; TestSendWindow holds the same in a second")
			}
			runScenario(t, c, sc)
		})
	}
}

func runScenario(t *testing.T, c client.Client, sc scenario) {
	t.Helper()
	w := newWorld(sc.audience)
	if sc.world != nil {
		sc.world(w)
	}
	queue := startWorker(t, c, w)
	in := workflows.CampaignInput{CampaignID: uuid.New(), ReceiptDeadline: time.Hour}
	if sc.input != nil {
		sc.input(&in)
	}
	s := &session{client: c, id: workflows.CampaignWorkflowID(in.CampaignID, in.Round)}
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: s.id, TaskQueue: queue}, workflows.CampaignWorkflowName, in)
	require.NoError(t, err)
	if sc.drive != nil {
		sc.drive(t, w, s)
	}
	var res workflows.CampaignResult
	require.NoError(t, run.Get(t.Context(), &res))
	require.True(t, res.Totals.Balanced())
	require.Equal(t, sc.audience, res.Totals.Audience)
	ids := []string{s.id}
	for lane := 0; lane < 2 && sc.audience > 500; lane++ {
		ids = append(ids, workflows.LaneWorkflowID(in.CampaignID, in.Round, lane))
	}
	for i, id := range ids {
		h := fetch(t, c, id, false)
		require.Less(t, len(h.Events), 5000)
		if *record {
			writeHistory(t, fmt.Sprintf("%s_%d", sc.name, i), h)
		}
	}
}

// runLongLane runs one lane over more messages than one run's history holds.
func runLongLane(t *testing.T, c client.Client) {
	t.Helper()
	const messages = 1100
	w := newWorld(messages)
	queue := startWorker(t, c, w)
	id := "lane-" + uuid.NewString()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue}, workflows.LaneWorkflowName,
		workflows.LaneInput{CampaignID: uuid.New(), Range: workflows.Range{First: 1, Last: messages}, Control: workflows.Control{Revision: 1}})
	require.NoError(t, err)
	var res workflows.LaneResult
	require.NoError(t, run.Get(t.Context(), &res))
	require.Equal(t, messages, res.Tally.Sent)
	w.requireEachSentOnce(t)
	for i, first := range []bool{true, false} {
		h := fetch(t, c, id, first)
		continued := h.Events[len(h.Events)-1].GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
		require.Equal(t, first, continued)
		require.Less(t, len(h.Events), 5000)
		if *record {
			writeHistory(t, fmt.Sprintf("continue_as_new_%d", i), h)
		}
	}
}

// startWorker runs the workflows and a world's activities on a task queue of their own.
func startWorker(t *testing.T, c client.Client, w *world) (queue string) {
	t.Helper()
	queue = "test-" + uuid.NewString()
	eager := 45
	wk := worker.New(c, queue, worker.Options{MaxEagerActivityReservationsPerWorkflowTask: &eager})
	workflows.Register(wk)
	wk.RegisterActivity(&fakeActivities{w})
	require.NoError(t, wk.Start())
	t.Cleanup(wk.Stop)
	pages := worker.New(c, workflows.PagesQueue(queue), worker.Options{
		DisableWorkflowWorker: true, MaxHeartbeatThrottleInterval: 50 * time.Millisecond,
	})
	pages.RegisterActivity(&fakeActivities{w})
	require.NoError(t, pages.Start())
	t.Cleanup(pages.Stop)
	return queue
}

// session is one running campaign.
type session struct {
	client client.Client
	id     string
}

func (s *session) update(t *testing.T, name string, args ...any) {
	t.Helper()
	h, err := s.client.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: s.id, UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	require.NoError(t, h.Get(t.Context(), nil))
}

func (s *session) awaitSends(t *testing.T, w *world, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.sends) >= n
	}, time.Minute, 10*time.Millisecond)
}

// fetch gives a workflow's history, of the first run of its chain if asked to.
func fetch(t *testing.T, c client.Client, id string, first bool) *history.History {
	t.Helper()
	runID := ""
	if first {
		desc, err := c.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		runID = desc.GetWorkflowExecutionInfo().GetFirstRunId()
	}
	var h history.History
	events := c.GetWorkflowHistory(t.Context(), id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(t, err)
		h.Events = append(h.Events, e)
	}
	return &h
}

func writeHistory(t *testing.T, name string, h *history.History) {
	t.Helper()
	raw, err := protojson.Marshal(h)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(replayDir, 0o755))
	f, err := os.Create(filepath.Join(replayDir, name+".json.gz"))
	require.NoError(t, err)
	zip := gzip.NewWriter(f)
	_, err = zip.Write(raw)
	require.NoError(t, errors.Join(err, zip.Close(), f.Close()))
}

// fakeActivities acts on a world under the wire names of the real activities.
type fakeActivities struct{ w *world }

func (a *fakeActivities) ResolveAudience(context.Context, activities.AudienceInput) (activities.AudienceResult, error) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	return activities.AudienceResult{Sendable: a.w.sendable, Totals: a.w.totals(), Name: "Diwali", PageSize: a.w.pageSize}, nil
}

func (a *fakeActivities) SendMessage(ctx context.Context, in activities.SendInput) (activities.SendResult, error) {
	return a.w.send(ctx, in)
}

// SendPage heartbeats with each message, which is how it learns that it is to stop.
func (a *fakeActivities) SendPage(ctx context.Context, in activities.PageInput) (activities.PageResult, error) {
	return a.w.page(ctx, in)
}

func (a *fakeActivities) PendingSeqs(ctx context.Context, in activities.PendingInput) (activities.PendingResult, error) {
	return a.w.pending(ctx, in)
}

func (a *fakeActivities) CancelPending(ctx context.Context, in activities.CampaignRef) (campaign.Totals, error) {
	return a.w.cancelPending(ctx, in)
}

func (a *fakeActivities) FinalizeCampaign(ctx context.Context, in activities.FinalizeInput) (campaign.Totals, error) {
	return a.w.finalize(ctx, in)
}

func (a *fakeActivities) ReadTotals(context.Context, activities.CampaignRef) (campaign.Totals, error) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	return a.w.totals(), nil
}

func (a *fakeActivities) RecordStatus(context.Context, activities.StatusInput) error { return nil }

func (a *fakeActivities) RecordRate(context.Context, activities.StatusInput) error { return nil }

func (a *fakeActivities) FailCampaign(context.Context, activities.FailInput) error { return nil }
