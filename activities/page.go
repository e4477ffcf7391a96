package activities

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/vendor"
)

const (
	// MaxPageSize bounds the list of messages that a page gives back to be tried again: 500 of them
	// are some 20 KB of history, and come only from a vendor that refuses everybody.
	MaxPageSize = 500
	// pagePosts is how many posts a page has in flight: sixteen pages have 720 in flight, half of what a worker has.
	pagePosts = 45
	// PageBeat is how often the pages of a campaign hear whether they are to stop: a campaign has a second to
	// be cancelled, and half of it is for the way.
	PageBeat = 500 * time.Millisecond
	// onePost bounds a message that is under way when its page is told to stop: the vendor's 5 s and
	// the ledger's 10 s, as those of SendMessage.
	onePost = 15 * time.Second
	// pageBurst is the part of a second of posts that a paced page catches up after a delay, as a lane does.
	pageBurst = 500 * time.Millisecond
)

// SendPage is harmless when repeated: it posts what the ledger calls pending, under the same keys, so
// that a worker that died in mid-page costs a second post of what was in flight and not yet written.
//
// It makes the first attempt of each message and gives back those that need another one: they get a
// SendMessage each. Told to stop (a pause, a cancel, a worker that shuts down) it starts nothing more,
// finishes what is in flight and says where it stopped.
func (a *Activities) SendPage(ctx context.Context, in PageInput) (PageResult, error) {
	shared, messages, err := a.messages.LoadMessages(ctx, in.CampaignID, in.First, in.Last)
	if err != nil {
		return PageResult{}, failure(err)
	}
	info := activity.GetInfo(ctx)
	if info.Attempt > 1 && shared.Status == campaign.Paused {
		return PageResult{}, pausedError()
	}
	if !isOpen(shared, a.now()) {
		return PageResult{}, closedError(shared, a.now())
	}
	p := &pageRun{acts: a, in: in, shared: shared, loadedAt: a.now()}
	p.sort(messages, info.Attempt > 1)
	p.run(ctx)
	return p.result, p.err
}

// pageRun is one execution of a page.
type pageRun struct {
	acts   *Activities
	in     PageInput
	shared campaign.SendContext
	todo   []campaign.Message
	// loadedAt is when it was last known who is suppressed.
	loadedAt time.Time
	started  atomic.Int64
	stop     context.CancelFunc

	mu     sync.Mutex
	result PageResult
	err    error
}

// sort finds what is to be posted. What was tried already, by an execution of this page that died,
// has to wait for its next attempt. Under the vendor's rate a page posts nothing itself.
func (p *pageRun) sort(messages []campaign.Message, repeated bool) {
	for _, m := range messages {
		switch {
		case m.Status == campaign.MessagePending && p.acts.turns != nil:
			p.again(m.Seq, 0)
		case m.Status == campaign.MessagePending && m.Attempts == 0:
			p.todo = append(p.todo, m)
		case m.Status == campaign.MessagePending:
			p.again(m.Seq, pauseAfter(nil, m.Attempts))
		case repeated:
			p.count(m.Status) // the execution that did it could not say so
		}
	}
}

func (p *pageRun) run(ctx context.Context) {
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	p.stop = stop
	member := p.acts.beats.join(p.in.CampaignID, p.acts.now(), stop)
	defer member.leave()
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { p.watch(ctx, member, ended) })
	work := make(chan campaign.Message)
	var posts sync.WaitGroup
	for range min(pagePosts, len(p.todo)) {
		posts.Go(func() {
			for m := range work {
				p.send(ctx, m)
				p.acts.posts.Release(1)
			}
		})
	}
	p.result.Next = p.feed(stopping, work)
	close(work)
	posts.Wait()
	close(ended)
	watch.Wait()
}

// watch says that the page lives and stops it when it is told to: by Temporal, itself or by way of another page,
// or because the worker shuts down.
func (p *pageRun) watch(ctx context.Context, member *groupMember, ended <-chan struct{}) {
	shutdown := activity.GetWorkerStopChannel(ctx)
	ticker := time.NewTicker(PageBeat)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			member.stopAll()
			return
		case <-shutdown:
			p.stop()
			shutdown = nil
		case <-ticker.C:
			if member.isDue(p.acts.now()) {
				activity.RecordHeartbeat(ctx, p.started.Load())
			}
		}
	}
}

// feed hands out the messages in their order and at the page's pace. It gives the first one that it
// did not hand out, 0 when it came to the end.
func (p *pageRun) feed(ctx context.Context, work chan<- campaign.Message) int {
	due := later(p.in.Due, p.acts.now().Add(-pageBurst))
	for i := range p.todo {
		if p.in.Rate > 0 {
			p.acts.sleepUntil(ctx, due)
			gap := time.Duration(float64(time.Second) / p.in.Rate)
			due = later(due.Add(gap), p.acts.now().Add(-pageBurst))
		}
		if ctx.Err() != nil || p.acts.posts.Acquire(ctx, 1) != nil {
			return p.todo[i].Seq
		}
		if err := p.look(ctx, p.todo[i:]); err != nil {
			p.acts.posts.Release(1)
			if ctx.Err() == nil { // told to stop, it has not failed
				p.fail(err)
			}
			return p.todo[i].Seq
		}
		select {
		case work <- p.todo[i]:
			p.started.Add(1)
		case <-ctx.Done():
			p.acts.posts.Release(1)
			return p.todo[i].Seq
		}
	}
	return 0
}

// look finds out who of the rest has unsubscribed or was erased meanwhile, when the page has been under
// way for longer than that may stay unseen.
func (p *pageRun) look(ctx context.Context, rest []campaign.Message) error {
	if p.acts.now().Sub(p.loadedAt) <= pageLife {
		return nil
	}
	_, messages, err := p.acts.messages.LoadMessages(ctx, p.in.CampaignID, rest[0].Seq, rest[len(rest)-1].Seq)
	if err != nil {
		return failure(err)
	}
	suppressed := make(map[int]bool, len(messages))
	for _, m := range messages {
		suppressed[m.Seq] = m.Suppressed
	}
	for i := range rest {
		rest[i].Suppressed = suppressed[rest[i].Seq]
	}
	p.loadedAt = p.acts.now()
	return nil
}

func (p *pageRun) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// send makes the first attempt of one message. It is not stopped with its page.
func (p *pageRun) send(ctx context.Context, m campaign.Message) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), onePost)
	defer cancel()
	in := SendInput{CampaignID: p.in.CampaignID, Seq: m.Seq}
	answer := campaign.Answer{Kind: campaign.AnswerSkipped, Code: string(campaign.SkipSuppressed)}
	var retry *vendor.Error
	if !m.Suppressed {
		answer, retry = p.acts.post(ctx, in, p.shared, m)
	}
	var result SendResult
	var err error
	if answer.Kind != "" {
		result, err = p.acts.record(ctx, in, m, answer)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case answer.Kind == "":
		p.again(m.Seq, pauseAfter(retry, 1))
	case isRetryable(err):
		// The ledger is away: whatever were posted now would be posted twice.
		p.err = err
		p.stop()
	case err != nil:
		p.again(m.Seq, pauseAfter(nil, 1)) // its own activity will show what is wrong with it
	case result.Status == campaign.MessagePending:
		p.again(m.Seq, pauseAfter(retry, result.Attempts))
	default:
		p.count(result.Status)
	}
}

func (p *pageRun) again(seq int, wait time.Duration) {
	p.result.Again = append(p.result.Again, Again{Seq: seq, Wait: wait})
}

func (p *pageRun) count(status campaign.MessageStatus) {
	switch status {
	case campaign.MessageSent, campaign.MessageDelivered:
		p.result.Sent++
	case campaign.MessageFailed:
		p.result.Failed++
	case campaign.MessagePending, campaign.MessageSkipped, campaign.MessageCancelled:
		p.result.Other++
	}
}

// sleepUntil waits for a moment, or until ctx ends.
func (a *Activities) sleepUntil(ctx context.Context, at time.Time) {
	wait := at.Sub(a.now())
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// isRetryable reports whether an error made by failure may pass.
func isRetryable(err error) bool {
	e, ok := errors.AsType[*temporal.ApplicationError](err)
	return ok && !e.NonRetryable()
}
