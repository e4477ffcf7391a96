package workflows_test

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/workflows"
)

// world stands for the database and the vendor behind the activities: it keeps the state of every
// message, so that a test can ask for what a campaign must leave behind.
type world struct {
	mu     sync.Mutex
	states map[int]campaign.MessageState
	sends  map[int]int
	// due is when the sends were to be made.
	due      []time.Time
	status   campaign.Status
	rates    []float64
	failed   string
	sendable int
	revision int64
	// pageSize makes the campaign a paged one.
	pageSize int
	// pages are the pages that were begun; onPage is called before each of their messages, false stops.
	pages  []activities.PageInput
	onPage func(ctx context.Context, seq int) bool
	// pageErr is what the next page ends with, before it has sent anything.
	pageErr error
	// settle says that the receipt of each message comes with its send.
	settle bool
	// onSend is called within each send, in place of the default outcome.
	onSend func(seq int) (campaign.MessageState, error)
}

func newWorld(audience int) *world {
	w := &world{states: map[int]campaign.MessageState{}, sends: map[int]int{}, sendable: audience, status: campaign.Active}
	for seq := 1; seq <= audience; seq++ {
		w.states[seq] = campaign.MessageState{Status: campaign.MessagePending, MaxAttempts: 3}
	}
	return w
}

// dueWithin counts the sends that were to be made in a time.
func (w *world) dueWithin(from, to time.Time) int {
	n := 0
	for _, at := range w.due {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

func (w *world) totals() campaign.Totals {
	var t campaign.Totals
	for _, s := range w.states {
		t.Add(s.Status)
		if s.HandedOver {
			t.Sent++
		}
	}
	w.revision++
	t.Revision = w.revision
	return t
}

func (w *world) send(_ context.Context, in activities.SendInput) (activities.SendResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sends[in.Seq]++
	w.due = append(w.due, in.Due)
	if s := w.states[in.Seq]; s.Status != campaign.MessagePending {
		return activities.SendResult{Status: s.Status}, nil
	}
	s := campaign.MessageState{Status: campaign.MessageSent, HandedOver: true, Attempts: 1}
	if w.settle {
		s.Status = campaign.MessageDelivered
	}
	if w.onSend != nil {
		var err error
		if s, err = w.onSend(in.Seq); err != nil {
			return refusal(in, err)
		}
	}
	w.states[in.Seq] = s
	return activities.SendResult{Status: s.Status, Attempts: s.Attempts}, nil
}

// refusal is a refusal that may pass as the lane asks for it: as a result, or as an error.
func refusal(in activities.SendInput, err error) (activities.SendResult, error) {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || !in.ReturnRefusals || app.Type() != activities.ErrVendorRefused {
		return activities.SendResult{}, err
	}
	return activities.SendResult{
		Status: campaign.MessagePending, Attempts: 1, Code: app.Message(), Wait: cmp.Or(app.NextRetryDelay(), time.Second),
	}, nil
}

// page makes the first attempts of a page: what send errs on is to be tried again.
func (w *world) page(ctx context.Context, in activities.PageInput) (activities.PageResult, error) {
	w.mu.Lock()
	w.pages = append(w.pages, in)
	err := w.pageErr
	w.pageErr = nil
	w.mu.Unlock()
	if err != nil {
		return activities.PageResult{}, err
	}
	var res activities.PageResult
	for seq := in.First; seq <= in.Last; seq++ {
		if w.onPage != nil && !w.onPage(ctx, seq) {
			res.Next = seq
			return res, nil
		}
		if w.state(seq).Status != campaign.MessagePending {
			continue
		}
		if _, err := w.send(ctx, activities.SendInput{CampaignID: in.CampaignID, Seq: seq}); err != nil {
			res.Again = append(res.Again, activities.Again{Seq: seq, Wait: 300 * time.Millisecond})
			continue
		}
		res.Sent++
	}
	return res, nil
}

func (w *world) state(seq int) campaign.MessageState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.states[seq]
}

func (w *world) cancelPending(context.Context, activities.CampaignRef) (campaign.Totals, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for seq, s := range w.states {
		w.states[seq] = s.Cancelled()
	}
	return w.totals(), nil
}

func (w *world) finalize(_ context.Context, in activities.FinalizeInput) (campaign.Totals, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.totals()
	if err := campaign.CheckBooks(t, t); err != nil {
		return t, temporal.NewNonRetryableApplicationError(err.Error(), activities.ErrUnbalanced, nil)
	}
	w.status = in.Status
	return t, nil
}

func (w *world) pending(_ context.Context, in activities.PendingInput) (activities.PendingResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var res activities.PendingResult
	for seq := in.After + 1; seq <= len(w.states) && len(res.Seqs) < in.Limit; seq++ {
		if w.states[seq].Status == campaign.MessagePending {
			res.Seqs = append(res.Seqs, seq)
		}
	}
	return res, nil
}

// env makes a test environment in which the activities act on w.
func (w *world) env(t *testing.T) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet())
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	workflows.Register(env)
	var act *activities.Activities
	on := func(activity, fn any) { env.OnActivity(activity, mock.Anything, mock.Anything).Return(fn).Maybe() }
	on(act.ResolveAudience, func(context.Context, activities.AudienceInput) (activities.AudienceResult, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return activities.AudienceResult{Sendable: w.sendable, Totals: w.totals(), Name: "Diwali", PageSize: w.pageSize}, nil
	})
	on(act.SendMessage, w.send)
	on(act.SendPage, w.page)
	on(act.PendingSeqs, w.pending)
	on(act.CancelPending, w.cancelPending)
	on(act.FinalizeCampaign, w.finalize)
	on(act.ReadTotals, func(context.Context, activities.CampaignRef) (campaign.Totals, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.totals(), nil
	})
	on(act.RecordStatus, func(_ context.Context, in activities.StatusInput) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.status = in.Status
		return nil
	})
	on(act.RecordRate, func(_ context.Context, in activities.StatusInput) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.rates = append(w.rates, in.Rate)
		return nil
	})
	on(act.FailCampaign, func(_ context.Context, in activities.FailInput) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.status, w.failed = campaign.Failed, in.Reason
		return nil
	})
	return env
}

func (w *world) deliverAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for seq, s := range w.states {
		if s.Status == campaign.MessageSent {
			w.states[seq] = s.AfterReceipt(campaign.Receipt{Delivered: true})
		}
	}
}
