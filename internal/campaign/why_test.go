package campaign_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
)

func TestWhy(t *testing.T) {
	t.Parallel()
	state := func(status campaign.MessageStatus, attempts int, code string) campaign.MessageState {
		return campaign.MessageState{Status: status, Attempts: attempts, MaxAttempts: 3, Code: code}
	}
	accepted := func(s campaign.MessageState) campaign.MessageState {
		s.VendorRef, s.HandedOver = "ref-1", true
		return s
	}
	skipped := func(r campaign.SkipReason) campaign.MessageState {
		return campaign.MessageState{Status: campaign.MessageSkipped, SkipReason: r}
	}
	const pending, failed = campaign.MessagePending, campaign.MessageFailed
	tests := []struct {
		name string
		s    campaign.MessageState
		c    campaign.Status
		want string
	}{
		{
			"PendingWithoutAnAnswer", state(pending, 0, ""), campaign.Active,
			"Not sent yet: the vendor has given no answer for it so far; its turn will come, or is under way.",
		},
		{
			"PendingAfterOneRefusal", state(pending, 1, "RATE_LIMITED"), campaign.Active,
			"Not sent yet, and the vendor has refused it for now once, last because its rate limit was exceeded " +
				"(RATE_LIMITED); it will be tried again, up to 3 answers in all.",
		},
		{
			"PendingInANewRound", state(pending, 3, ""), campaign.Active,
			"Not sent yet, and the vendor has refused it for now 3 times; it will be tried again, up to 3 answers in all.",
		},
		{"PendingWhilePaused", state(pending, 0, ""), campaign.Paused, "Not sent yet: the campaign is paused."},
		{
			"PendingWhilePausedAfterRefusals", state(pending, 2, "QUOTA_EXCEEDED"), campaign.Paused,
			"Not sent yet: the campaign is paused, and the vendor has refused it for now 2 times, last because the daily " +
				"quota was used up (QUOTA_EXCEEDED).",
		},
		{
			"PendingInAFailedCampaign", state(pending, 0, ""), campaign.Failed,
			"Not sent: the campaign ended as FAILED before it was sent.",
		},
		{
			"SkippedWithoutAnAddress", skipped(campaign.SkipNoEmail), campaign.Completed,
			"Not sent: the customer had no e-mail address when the campaign started.",
		},
		{
			"SkippedAsSuppressed", skipped(campaign.SkipSuppressed), campaign.Completed,
			"Not sent: the address is suppressed; the customer unsubscribed, was erased, or must not be written to.",
		},
		{
			"SkippedByTheTemplate", skipped(campaign.SkipRender), campaign.Completed,
			"Not sent: the template could not be rendered for this customer.",
		},
		{"SkippedForANewReason", skipped("OTHER"), campaign.Completed, "Not sent: it was skipped (OTHER)."},
		{
			"Cancelled", state(campaign.MessageCancelled, 0, ""), campaign.Cancelled,
			"Not sent: the campaign was cancelled before it was sent.",
		},
		{
			"CancelledBetweenTries", state(campaign.MessageCancelled, 1, "SYSTEM_ERROR"), campaign.Cancelled,
			"Not sent: the campaign was cancelled before the vendor accepted it, and the vendor has refused it for now once, " +
				"last because it had a fault of its own (SYSTEM_ERROR).",
		},
		{
			"Sent", accepted(state(campaign.MessageSent, 1, "")), campaign.Active,
			"Sent: the vendor accepted it, and its delivery receipt is awaited.",
		},
		{
			"SentWithoutAReceipt", accepted(state(campaign.MessageSent, 1, "")), campaign.Completed,
			"Sent: the vendor accepted it, but no delivery receipt had come when the campaign ended; a late one still counts.",
		},
		{
			"Delivered", accepted(state(campaign.MessageDelivered, 2, "")), campaign.Completed,
			"Delivered: the vendor accepted the message and reported it delivered.",
		},
		{
			"FailedInAnOutage", state(failed, 0, campaign.CodeSendDeadline), campaign.Completed,
			"Not sent: the vendor gave no answer until the campaign's send deadline.",
		},
		{
			"FailedAtTheDeadlineAfterRefusals", state(failed, 2, campaign.CodeSendDeadline), campaign.Completed,
			"Not sent: it was given up at the campaign's send deadline, after the vendor had refused it for now 2 times.",
		},
		{
			"FailedByTheReceipt", accepted(state(failed, 1, "EMAIL_BOUNCED")), campaign.Completed,
			"Not delivered: the vendor accepted it and later reported that the address bounced (EMAIL_BOUNCED).",
		},
		{
			"FailedWithoutAReason", state(failed, 1, ""), campaign.Completed,
			"Not sent: the vendor refused it for good and named no reason.",
		},
		{
			"FailedForANewReason", state(failed, 1, "OTHER"), campaign.Completed,
			"Not sent: the vendor refused it for good because of OTHER.",
		},
		{
			"ReportedUndeliverableWithoutAReason", accepted(state(failed, 1, "")), campaign.Completed,
			"Not delivered: the vendor accepted it and later reported a failure.",
		},
		{
			"ReportedUndeliverableForANewReason", accepted(state(failed, 1, "OTHER")), campaign.Completed,
			"Not delivered: the vendor accepted it and later reported a failure (OTHER).",
		},
		{"AStatusOfTomorrow", state("LATER", 0, ""), campaign.Active, "The message is LATER."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, campaign.Why(tt.s, tt.c))
		})
	}

	t.Run("HasWordsForEveryCodeThatMayPass", func(t *testing.T) {
		t.Parallel()
		for _, code := range []string{"RATE_LIMITED", "TEMPORARY_FAILURE", "QUOTA_EXCEEDED", "SYSTEM_ERROR"} {
			got := campaign.Why(state(failed, 3, code), campaign.Completed)
			require.Regexp(t, `^Not sent: the vendor refused it 3 times, the most that the campaign allows, last because [a-z ]+ \(`+code+`\)\.$`, got)
		}
	})

	t.Run("HasWordsForEveryCodeThatIsForGood", func(t *testing.T) {
		t.Parallel()
		for _, code := range []string{
			"INVALID_EMAIL", "EMAIL_BOUNCED", "SPAM_DETECTED", "INVALID_PAYLOAD", "MISSING_EMAIL", "MISSING_MESSAGE", "KEY_REUSED",
		} {
			got := campaign.Why(state(failed, 1, code), campaign.Completed)
			require.Regexp(t, `^Not sent: the vendor refused it for good because [a-z '-]+ \(`+code+`\)\.$`, got)
		}
	})

	t.Run("SaysSomethingOfEveryStatusInEveryCampaign", func(t *testing.T) {
		t.Parallel()
		for _, s := range campaign.MessageStatuses() {
			for _, c := range []campaign.Status{
				campaign.Draft, campaign.Scheduled, campaign.Active, campaign.Paused, campaign.Completed, campaign.Cancelled, campaign.Failed,
			} {
				require.Regexp(t, `^(Not sent|Not delivered|Sent|Delivered).*\.$`, campaign.Why(state(s, 1, "X"), c))
			}
		}
	})
}
