package activities_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

// page executes SendPage once over the messages 1 to n.
func (b *bench) page(
	t *testing.T, in activities.PageInput, opts ...func(*testsuite.TestActivityEnvironment),
) (activities.PageResult, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(b.acts)
	for _, o := range opts {
		o(env)
	}
	in.CampaignID = campaignID
	value, err := env.ExecuteActivity(b.acts.SendPage, in)
	if err != nil {
		return activities.PageResult{}, err
	}
	var res activities.PageResult
	require.NoError(t, value.Get(&res))
	return res, nil
}

// keys counts the posts under each key.
func (b *bench) keys() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]int{}
	for _, r := range b.requests {
		out[r.IdempotencyKey]++
	}
	return out
}

func (b *bench) set(seq int, change func(*campaign.Message)) {
	m := b.messages[seq]
	change(&m)
	b.messages[seq] = m
}

func TestSendPage(t *testing.T) {
	t.Parallel()
	whole := func(n int) activities.PageInput { return activities.PageInput{First: 1, Last: n} }

	t.Run("PostsEveryPendingMessageOnce", func(t *testing.T) {
		t.Parallel()
		const n = 200
		b := setup(t, n)
		b.set(7, func(m *campaign.Message) { m.Status = campaign.MessageDelivered })
		b.set(8, func(m *campaign.Message) { m.Suppressed = true })
		res, err := b.page(t, whole(n))
		require.NoError(t, err)
		require.Equal(t, activities.PageResult{Sent: n - 2, Other: 1}, res)
		require.Len(t, b.keys(), n-2)
		require.Len(t, b.requests, n-2)
		require.Equal(t, campaign.MessageSkipped, b.messages[8].Status)
	})

	t.Run("GivesBackWhoNeedsAnotherAttempt", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 4)
		key := func(seq int) string { return b.messages[seq].CommunicationID.String() }
		refusals := map[string]*vendor.Error{
			key(1): {Kind: vendor.Retryable, Code: vendor.RateLimited, Answer: 1, RetryAfter: 90 * time.Second},
			key(2): {Kind: vendor.Ambiguous, Code: vendor.NoAnswer},
			key(3): {Kind: vendor.Permanent, Code: vendor.InvalidEmail, Answer: 1},
		}
		b.send = func(r vendor.Request) (vendor.Result, error) {
			if e := refusals[r.IdempotencyKey]; e != nil {
				return vendor.Result{}, e
			}
			return vendor.Result{VendorRef: "v", Answer: 1}, nil
		}
		res, err := b.page(t, whole(4))
		require.NoError(t, err)
		require.Equal(t, 1, res.Sent)
		require.Equal(t, 1, res.Failed)
		waits := map[int]time.Duration{}
		for _, a := range res.Again {
			waits[a.Seq] = a.Wait
		}
		require.Len(t, waits, 2)
		require.Equal(t, 90*time.Second, waits[1], "the vendor's Retry-After")
		require.Positive(t, waits[2])
		require.Equal(t, 1, b.messages[1].Attempts)
		require.Zero(t, b.messages[2].Attempts, "no answer uses up no attempt")
	})

	t.Run("NextAttemptCarriesTheCountOnAndReadsTheLedgerAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		_, err := b.run(t, 1) // fills the cache with what is old by now
		require.NoError(t, err)
		b.set(1, func(m *campaign.Message) { m.Status, m.Attempts = campaign.MessagePending, 2 })
		b.send = func(vendor.Request) (vendor.Result, error) {
			return vendor.Result{}, &vendor.Error{Kind: vendor.Retryable, Code: vendor.RateLimited, Answer: 3}
		}
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivity(b.acts)
		value, err := env.ExecuteActivity(b.acts.SendMessage, activities.SendInput{CampaignID: campaignID, Seq: 1, Again: true})
		require.NoError(t, err)
		var res activities.SendResult
		require.NoError(t, value.Get(&res))
		require.Equal(t, activities.SendResult{Status: campaign.MessageFailed, Attempts: 3, Code: "RATE_LIMITED"}, res)
		require.Equal(t, 3, b.requests[1].Attempt)
	})

	t.Run("RepeatAfterACrashPostsOnlyWhatWasNotWritten", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 100)
		for seq := 1; seq <= 60; seq++ {
			b.set(seq, func(m *campaign.Message) { m.Status, m.Attempts = campaign.MessageSent, 1 })
		}
		b.set(61, func(m *campaign.Message) { m.Attempts = 1 }) // refused, and due for an activity of its own
		res, err := b.page(t, whole(100))
		require.NoError(t, err)
		require.Len(t, b.requests, 39)
		require.Equal(t, 39, res.Sent)
		require.Len(t, res.Again, 1)
		require.Equal(t, 61, res.Again[0].Seq)
	})

	t.Run("ToldToStopItFinishesWhatIsInFlightAndSaysWhere", func(t *testing.T) {
		t.Parallel()
		// Of the bubble's clock: a post takes so long that the page hears of the stop before the next ends.
		synctest.Test(t, func(t *testing.T) {
			const n = 300
			b := setup(t, n)
			stop := make(chan struct{})
			var once sync.Once
			var posts atomic.Int64
			b.send = func(vendor.Request) (vendor.Result, error) {
				if posts.Add(1) == 100 {
					once.Do(func() { close(stop) })
				}
				time.Sleep(time.Millisecond)
				return vendor.Result{VendorRef: "v", Answer: 1}, nil
			}
			res, err := b.page(t, whole(n), func(env *testsuite.TestActivityEnvironment) { env.SetWorkerStopChannel(stop) })
			require.NoError(t, err)
			require.Greater(t, res.Next, 100)
			require.LessOrEqual(t, res.Next, n)
			require.Equal(t, res.Next-1, res.Sent)
			for seq, m := range b.messages {
				require.Equal(t, seq >= res.Next, m.Status == campaign.MessagePending, "message %d, stopped at %d", seq, res.Next)
			}
			rest, err := b.page(t, activities.PageInput{First: res.Next, Last: n})
			require.NoError(t, err)
			require.Equal(t, n, res.Sent+rest.Sent)
			require.Len(t, b.keys(), n)
			require.Len(t, b.requests, n)
		})
	})

	t.Run("LedgerAwayEndsThePageAndTheRepeatUsesTheSameKeys", func(t *testing.T) {
		t.Parallel()
		const n = 300
		b := setup(t, n)
		b.record = func(campaign.Answer) error { return errs.Errorf(errs.Unavailable, "database away") }
		_, err := b.page(t, whole(n))
		requireType(t, err, activities.ErrUnavailable, true)
		require.Less(t, len(b.requests), n, "nothing new is posted while nothing can be written")
		b.record = func(campaign.Answer) error { return nil }
		res, err := b.page(t, whole(n))
		require.NoError(t, err)
		require.Equal(t, n, res.Sent)
		require.Len(t, b.keys(), n)
	})

	t.Run("MessageThatCannotBeRecordedHoldsUpNobody", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 50)
		bad := b.messages[5].CommunicationID
		b.record = func(a campaign.Answer) error {
			if a.CommunicationID == bad {
				return errs.Errorf(errs.Invalid, "not text")
			}
			return nil
		}
		res, err := b.page(t, whole(50))
		require.NoError(t, err)
		require.Equal(t, 49, res.Sent)
		require.Len(t, res.Again, 1)
		require.Equal(t, 5, res.Again[0].Seq)
	})

	t.Run("HoldsItsRate", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 60)
		begin := time.Now()
		res, err := b.page(t, activities.PageInput{First: 1, Last: 60, Rate: 100, Due: begin.Add(-100 * time.Millisecond)})
		require.NoError(t, err)
		require.Equal(t, 60, res.Sent)
		// 59 gaps of 10 ms, ten of them saved up. A slow machine makes it later, nothing makes it earlier.
		require.GreaterOrEqual(t, time.Since(begin), 480*time.Millisecond)
	})

	t.Run("UnsubscribedWhileThePageIsUnderWayIsSkipped", func(t *testing.T) {
		t.Parallel()
		const n, last = 200, 200
		b := setup(t, n)
		var late atomic.Int64 // how far the clock is ahead
		b.now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
		var once sync.Once
		b.send = func(vendor.Request) (vendor.Result, error) {
			once.Do(func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.set(last, func(m *campaign.Message) { m.Suppressed = true })
				late.Store(int64(time.Minute))
			})
			return vendor.Result{VendorRef: "v", Answer: 1}, nil
		}
		res, err := b.page(t, whole(n))
		require.NoError(t, err)
		require.Equal(t, activities.PageResult{Sent: n - 1, Other: 1}, res)
		require.Equal(t, campaign.MessageSkipped, b.messages[last].Status)
		require.Zero(t, b.keys()[b.messages[last].CommunicationID.String()])
	})

	t.Run("PostsOfAllPagesShareTheConnections", func(t *testing.T) {
		t.Parallel()
		const n, most = 200, 10
		b := setup(t, n)
		b.acts = activities.New(activities.Deps{Messages: b, Answers: b, Vendor: b, Now: time.Now, MaxPosts: most})
		var inFlight, peak atomic.Int64
		gate := make(chan struct{})
		var open sync.Once
		b.send = func(vendor.Request) (vendor.Result, error) {
			now := inFlight.Add(1)
			defer inFlight.Add(-1)
			for have := peak.Load(); now > have && !peak.CompareAndSwap(have, now); have = peak.Load() {
			}
			if now == most {
				open.Do(func() { close(gate) })
			}
			<-gate
			return vendor.Result{VendorRef: "v", Answer: 1}, nil
		}
		var pages sync.WaitGroup
		for first := 1; first <= n; first += 100 {
			pages.Go(func() {
				_, err := b.page(t, activities.PageInput{First: first, Last: first + 99})
				require.NoError(t, err)
			})
		}
		pages.Wait()
		require.Equal(t, int64(most), peak.Load())
	})
}
