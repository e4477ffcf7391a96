package activities_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

// bench is a campaign of one page with function-field fakes behind every port.
type bench struct {
	mu       sync.Mutex
	status   campaign.Status
	deadline time.Duration
	messages map[int]campaign.Message
	answers  []campaign.Answer
	requests []vendor.Request
	loads    atomic.Int64
	send     func(vendor.Request) (vendor.Result, error)
	record   func(campaign.Answer) error
	now      func() time.Time
	hours    *campaign.Hours
	acts     *activities.Activities
}

var campaignID = uuid.MustParse("018f0000-0000-7000-8000-000000000001")

func setup(t *testing.T, n int, change ...func(*activities.Deps)) *bench {
	t.Helper()
	b := &bench{
		status: campaign.Active, deadline: time.Hour, messages: map[int]campaign.Message{}, now: time.Now,
		send:   func(vendor.Request) (vendor.Result, error) { return vendor.Result{VendorRef: "v1", Answer: 1}, nil },
		record: func(campaign.Answer) error { return nil },
	}
	for seq := 1; seq <= n; seq++ {
		customer := uuid.New()
		b.messages[seq] = campaign.Message{
			CommunicationID: campaign.CommunicationID(campaignID, customer), CustomerID: customer, Seq: seq,
			Recipient: "a@example.com", RecipientName: "A", Body: "Hi A", Status: campaign.MessagePending, MaxAttempts: 3,
		}
	}
	deps := activities.Deps{
		Messages: b, Answers: b, Vendor: b, Now: func() time.Time { return b.now() }, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&deps)
	}
	b.acts = activities.New(deps)
	return b
}

func (b *bench) LoadMessages(_ context.Context, _ uuid.UUID, first, last int) (campaign.SendContext, []campaign.Message, error) {
	b.loads.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []campaign.Message
	for seq := first; seq <= last; seq++ {
		if m, ok := b.messages[seq]; ok {
			out = append(out, m)
		}
	}
	return campaign.SendContext{CampaignName: "c", CampaignType: "PROMOTIONAL", Status: b.status, SendDeadline: b.deadline, Hours: b.hours}, out, nil
}

func (b *bench) PendingSeqs(context.Context, uuid.UUID, int, int) ([]int, error) { return nil, nil }

func (b *bench) Send(_ context.Context, r vendor.Request) (vendor.Result, error) {
	b.mu.Lock()
	b.requests = append(b.requests, r)
	send := b.send
	b.mu.Unlock()
	return send(r)
}

func (b *bench) Record(_ context.Context, a campaign.Answer) (campaign.MessageState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.record(a); err != nil {
		return campaign.MessageState{}, err
	}
	b.answers = append(b.answers, a)
	for seq, m := range b.messages {
		if m.CommunicationID == a.CommunicationID {
			s := campaign.MessageState{Status: m.Status, Attempts: m.Attempts, MaxAttempts: m.MaxAttempts}.AfterAnswer(a)
			m.Status, m.Attempts = s.Status, s.Attempts
			b.messages[seq] = m
			return s, nil
		}
	}
	return campaign.MessageState{}, errs.Errorf(errs.NotFound, "no message %s", a.CommunicationID)
}

// run executes SendMessage once, as Temporal's first or a later try.
func (b *bench) run(t *testing.T, seq int, opts ...func(*testsuite.TestActivityEnvironment)) (activities.SendResult, error) {
	t.Helper()
	return b.send1(t, activities.SendInput{CampaignID: campaignID, Seq: seq}, opts...)
}

// send1 executes SendMessage once with an input.
func (b *bench) send1(
	t *testing.T, in activities.SendInput, opts ...func(*testsuite.TestActivityEnvironment),
) (activities.SendResult, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(b.acts)
	for _, o := range opts {
		o(env)
	}
	value, err := env.ExecuteActivity(b.acts.SendMessage, in)
	if err != nil {
		return activities.SendResult{}, err
	}
	var res activities.SendResult
	require.NoError(t, value.Get(&res))
	return res, nil
}

// requireType requires an application error of a type and gives when Temporal is to try again.
func requireType(t *testing.T, err error, errType string, retryable bool) (retryAfter time.Duration) {
	t.Helper()
	var appErr *temporal.ApplicationError
	require.ErrorAs(t, err, &appErr)
	require.Equal(t, errType, appErr.Type())
	require.Equal(t, retryable, !appErr.NonRetryable())
	return appErr.NextRetryDelay()
}

func TestSendMessage(t *testing.T) {
	t.Parallel()
	refusal := func(kind vendor.Kind, code vendor.Code, answer int, after time.Duration) func(vendor.Request) (vendor.Result, error) {
		return func(vendor.Request) (vendor.Result, error) {
			return vendor.Result{}, &vendor.Error{Kind: kind, Code: code, Text: code.Text(), Answer: answer, RetryAfter: after}
		}
	}

	t.Run("AcceptedIsRecordedUnderTheOneKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		res, err := b.run(t, 1)
		require.NoError(t, err)
		require.Equal(t, activities.SendResult{Status: campaign.MessageSent, Attempts: 1}, res)
		require.Equal(t, b.messages[1].CommunicationID.String(), b.requests[0].IdempotencyKey)
		require.Equal(t, campaign.AnswerAccepted, b.answers[0].Kind)
	})

	t.Run("RetryableRefusalUsesAnAttemptAndHonoursRetryAfter", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.send = refusal(vendor.Retryable, vendor.RateLimited, 1, 90*time.Second)
		_, err := b.run(t, 1)
		require.Equal(t, 90*time.Second, requireType(t, err, activities.ErrVendorRefused, true))
		require.Equal(t, 1, b.messages[1].Attempts)
		require.NotContains(t, err.Error(), "example.com")
	})

	t.Run("RetryableRefusalIsAResultForALaneThatTriesAgainItself", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.send = refusal(vendor.Retryable, vendor.RateLimited, 1, 90*time.Second)
		res, err := b.send1(t, activities.SendInput{CampaignID: campaignID, Seq: 1, ReturnRefusals: true})
		require.NoError(t, err)
		require.Equal(t, activities.SendResult{
			Status: campaign.MessagePending, Attempts: 1, Code: "RATE_LIMITED", Wait: 90 * time.Second,
		}, res)
		b.send = refusal(vendor.Retryable, vendor.RateLimited, 2, 0)
		res, err = b.send1(t, activities.SendInput{CampaignID: campaignID, Seq: 1, Again: true, ReturnRefusals: true})
		require.NoError(t, err)
		require.Equal(t, 2, res.Attempts)
		require.GreaterOrEqual(t, res.Wait, 500*time.Millisecond, "twice the pause of the first, and half of that is random")
		require.Equal(t, 2, b.requests[1].Attempt)
		b.send = refusal(vendor.Retryable, vendor.RateLimited, 3, 0)
		res, err = b.send1(t, activities.SendInput{CampaignID: campaignID, Seq: 1, Again: true, ReturnRefusals: true})
		require.NoError(t, err)
		require.Equal(t, activities.SendResult{Status: campaign.MessageFailed, Attempts: 3, Code: "RATE_LIMITED"}, res)
	})

	t.Run("NoAnswerIsAnErrorForALaneThatTriesAgainItself", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.send = refusal(vendor.Ambiguous, vendor.NoAnswer, 0, 0)
		_, err := b.send1(t, activities.SendInput{CampaignID: campaignID, Seq: 1, ReturnRefusals: true})
		requireType(t, err, activities.ErrVendorUnanswered, true)
	})

	t.Run("LastAllowedRefusalIsAResult", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.send = refusal(vendor.Retryable, vendor.QuotaExceeded, 3, 0)
		res, err := b.run(t, 1)
		require.NoError(t, err)
		require.Equal(t, activities.SendResult{Status: campaign.MessageFailed, Attempts: 3, Code: "QUOTA_EXCEEDED"}, res)
	})

	t.Run("PermanentRefusalIsAResult", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.send = refusal(vendor.Permanent, vendor.InvalidEmail, 1, 0)
		res, err := b.run(t, 1)
		require.NoError(t, err)
		require.Equal(t, campaign.MessageFailed, res.Status)
	})

	t.Run("NoAnswerUsesNoAttempt", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.send = refusal(vendor.Ambiguous, vendor.NoAnswer, 0, 0)
		_, err := b.run(t, 1)
		requireType(t, err, activities.ErrVendorUnanswered, true)
		require.Zero(t, b.messages[1].Attempts)
		require.Empty(t, b.answers)
	})

	t.Run("NoAnswerUntilTheDeadlineFails", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.send = refusal(vendor.Ambiguous, vendor.NoAnswer, 0, 0)
		b.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		res, err := b.run(t, 1)
		require.NoError(t, err)
		require.Equal(t, activities.SendResult{Status: campaign.MessageFailed, Code: campaign.CodeSendDeadline}, res)
	})

	t.Run("WhatIsSentAlreadyIsNotPostedAgain", func(t *testing.T) {
		t.Parallel()
		for _, status := range campaign.MessageStatuses() {
			if status == campaign.MessagePending {
				continue
			}
			b := setup(t, 1)
			m := b.messages[1]
			m.Status = status
			b.messages[1] = m
			res, err := b.run(t, 1)
			require.NoError(t, err)
			require.Equal(t, status, res.Status)
			require.Empty(t, b.requests)
		}
	})

	t.Run("UnsubscribedMeanwhileIsSkipped", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		m := b.messages[1]
		m.Suppressed = true
		b.messages[1] = m
		res, err := b.run(t, 1)
		require.NoError(t, err)
		require.Equal(t, campaign.MessageSkipped, res.Status)
		require.Empty(t, b.requests)
	})

	t.Run("UnsubscribedAfterThePageWasReadIsSkippedSecondsLater", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 2)
		_, err := b.run(t, 1) // reads the page that holds both
		require.NoError(t, err)
		b.set(2, func(m *campaign.Message) { m.Suppressed = true })
		b.now = func() time.Time { return time.Now().Add(3 * time.Second) }
		res, err := b.run(t, 2)
		require.NoError(t, err)
		require.Equal(t, campaign.MessageSkipped, res.Status)
		require.Len(t, b.requests, 1)
	})

	t.Run("LedgerAwayAfterTheAnswerIsTriedAgainUnderTheSameKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.record = func(campaign.Answer) error { return errs.Errorf(errs.Unavailable, "database away") }
		_, err := b.run(t, 1)
		requireType(t, err, activities.ErrUnavailable, true)
		b.record = func(campaign.Answer) error { return nil }
		res, err := b.run(t, 1)
		require.NoError(t, err)
		require.Equal(t, campaign.MessageSent, res.Status)
		require.Equal(t, b.requests[0].IdempotencyKey, b.requests[1].IdempotencyKey)
		require.Equal(t, b.requests[0].Body, b.requests[1].Body)
	})

	t.Run("UnknownMessageIsNotTriedAgain", func(t *testing.T) {
		t.Parallel()
		_, err := setup(t, 1).run(t, 2)
		requireType(t, err, activities.ErrRefused, false)
	})
}

func TestPageCacheLoadsEachPageOnce(t *testing.T) {
	t.Parallel()
	const n = 300
	b := setup(t, n)
	var sends sync.WaitGroup
	for seq := 1; seq <= n; seq++ {
		sends.Go(func() {
			_, err := b.run(t, seq)
			require.NoError(t, err)
		})
	}
	sends.Wait()
	require.Len(t, b.requests, n)
	require.LessOrEqual(t, b.loads.Load(), int64(6), "three pages of 128; a load that races the cache may repeat")
}
