package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/failpoint"
	"github.com/xencrm/xencrm/internal/vendor"
)

// SendMessage is harmless when repeated: the vendor gets the same key and the same bytes every time,
// and an answer is merged into a rank that only rises. It posts one message, records the answer, and
// ends with the message's status; it errs only when there is something left to try.
//
// Attempts count answers of the vendor. A crash, a refused connection or a timeout uses none up and
// is bounded by the campaign's send deadline instead, so that a vendor's outage fails nobody at once.
func (a *Activities) SendMessage(ctx context.Context, in SendInput) (SendResult, error) {
	info := activity.GetInfo(ctx)
	if info.Attempt == 1 {
		// Bounded, for the clock of the worker that planned it may be wrong.
		a.sleepUntil(ctx, earlier(in.Due, a.now().Add(MostAhead)))
	}
	if a.turns != nil {
		turn, err := a.turns.Take(ctx)
		if err != nil {
			return SendResult{}, failure(err)
		}
		a.sleepUntil(ctx, turn)
	}
	waited := info.Attempt > 1 || a.turns != nil
	shared, m, err := a.load(ctx, in, in.Again || waited)
	if err != nil {
		return SendResult{}, failure(err)
	}
	switch {
	case m.Status != campaign.MessagePending:
		return SendResult{Status: m.Status, Attempts: m.Attempts}, nil
	case shared.Status == campaign.Paused && waited:
		return SendResult{}, pausedError()
	case !isOpen(shared, a.now()):
		return SendResult{}, closedError(shared, a.now())
	case m.Suppressed:
		return a.record(ctx, in, m, campaign.Answer{Kind: campaign.AnswerSkipped, Code: string(campaign.SkipSuppressed)})
	}
	answer, retry := a.post(ctx, in, shared, m)
	if answer.Kind == "" {
		// Hours in which nothing may be sent are none of the vendor's.
		deadline := shared.Hours.After(info.ScheduledTime, shared.SendDeadline)
		if a.now().Before(deadline) {
			return SendResult{}, unansweredError(retry, info.Attempt)
		}
		answer.Kind, answer.Code = campaign.AnswerExpired, campaign.CodeSendDeadline
		answer.Reason = "the vendor gave no answer until the send deadline"
	}
	result, err := a.record(ctx, in, m, answer)
	if err != nil {
		return SendResult{}, err
	}
	if result.Status != campaign.MessagePending {
		return result, nil
	}
	if !in.ReturnRefusals {
		return SendResult{}, refusedError(retry, result.Attempts)
	}
	result.Wait = pauseAfter(retry, result.Attempts)
	return result, nil
}

// load reads the message from the page cache on its first try. Later tries, and those that had to wait
// for their turn, read it again: another worker may have sent it, or the campaign may have been paused.
func (a *Activities) load(ctx context.Context, in SendInput, fresh bool) (campaign.SendContext, campaign.Message, error) {
	if !fresh {
		shared, m, ok, err := a.pages.message(ctx, in.CampaignID, in.Seq)
		if err == nil && !ok {
			err = errs.Errorf(errs.NotFound, "campaign %s has no message %d", in.CampaignID, in.Seq)
		}
		return shared, m, err
	}
	shared, messages, err := a.messages.LoadMessages(ctx, in.CampaignID, in.Seq, in.Seq)
	if err == nil && len(messages) == 0 {
		err = errs.Errorf(errs.NotFound, "campaign %s has no message %d", in.CampaignID, in.Seq)
	}
	if err != nil {
		return campaign.SendContext{}, campaign.Message{}, err
	}
	return shared, messages[0], nil
}

// post hands the message to the vendor. An answer without a kind means that the vendor gave none; the
// vendor's error is beside it, also for a retryable refusal.
func (a *Activities) post(
	ctx context.Context, in SendInput, shared campaign.SendContext, m campaign.Message,
) (campaign.Answer, *vendor.Error) {
	key := m.CommunicationID.String()
	start := a.now()
	failpoint.Hit(failpoint.SendBeforeHTTP)
	res, err := a.vendor.Send(ctx, vendor.Request{
		IdempotencyKey: key, CommunicationID: key, CampaignID: in.CampaignID.String(),
		CustomerID: m.CustomerID.String(), Recipient: m.Recipient, RecipientName: m.RecipientName,
		Body: m.Body, CampaignName: shared.CampaignName, CampaignType: shared.CampaignType,
		Attempt: m.Attempts + 1, MaxAttempts: m.MaxAttempts,
	})
	if lost := failpoint.Err(failpoint.SendAfterHTTP); lost != nil {
		err = lost
	}
	end := a.now()
	answer := campaign.Answer{At: end, Latency: end.Sub(start)}
	if err == nil {
		answer.Kind, answer.VendorRef, answer.Number = campaign.AnswerAccepted, res.VendorRef, res.Answer
		return answer, nil
	}
	verr, ok := errors.AsType[*vendor.Error](err)
	if !ok {
		verr = &vendor.Error{Kind: vendor.Ambiguous, Code: vendor.NoAnswer, Text: "no answer", Cause: err}
	}
	answer.Code, answer.Reason, answer.Number = string(verr.Code), verr.Text, verr.Answer
	switch verr.Kind {
	case vendor.Permanent:
		answer.Kind = campaign.AnswerPermanent
	case vendor.Retryable:
		answer.Kind = campaign.AnswerRetryable
	case vendor.Ambiguous: // not an answer
	}
	return answer, verr
}

func (a *Activities) record(ctx context.Context, in SendInput, m campaign.Message, answer campaign.Answer) (SendResult, error) {
	answer.CampaignID, answer.CommunicationID = in.CampaignID, m.CommunicationID
	if answer.At.IsZero() {
		answer.At = a.now()
	}
	state, err := a.answers.Record(ctx, answer)
	if err != nil {
		return SendResult{}, failure(err)
	}
	failpoint.Hit(failpoint.SendBeforeReturn)
	return SendResult{Status: state.Status, Attempts: state.Attempts, Code: state.Code}, nil
}

// PendingSeqs is harmless when repeated: it reads.
func (a *Activities) PendingSeqs(ctx context.Context, in PendingInput) (PendingResult, error) {
	seqs, err := a.messages.PendingSeqs(ctx, in.CampaignID, in.After, in.Limit)
	return PendingResult{Seqs: seqs}, failure(err)
}

// backoff is the pause before try number n+1: half a second doubled up to a minute, with half of it
// random so that a thousand messages refused at once do not come back at once.
func backoff(n int) time.Duration {
	const (
		first   = 500 * time.Millisecond
		longest = time.Minute
		// Past seven doublings the cap holds; the bound keeps the shift from overflowing.
		doublings = 7
	)
	pause := min(first<<min(max(n-1, 0), doublings), longest)
	return jitter(pause)
}
