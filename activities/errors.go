package activities

import (
	"math/rand/v2"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

// Error types, as Temporal stores them; they are wire names. Texts hold codes only, for Temporal
// keeps them: never an address, a name or a message.
const (
	// ErrVendorRefused: the vendor answered that it cannot now; an attempt is used up.
	ErrVendorRefused = "VendorRefused"
	// ErrVendorUnanswered: the vendor gave no answer that can be believed; no attempt is used up.
	ErrVendorUnanswered = "VendorUnanswered"
	// ErrPaused: the campaign is paused; the message is tried again after it is resumed.
	ErrPaused = "CampaignPaused"
	// ErrClosed: the campaign's send window is closed; the message is tried again when it opens.
	ErrClosed = "SendWindowClosed"
	// ErrUnavailable: a database of ours is away.
	ErrUnavailable = "Unavailable"
	// ErrRefused: the state forbids it, and trying again would not help.
	ErrRefused = "Refused"
	// ErrUnbalanced: the books do not agree with the ledger; nobody may close them.
	ErrUnbalanced = "BooksUnbalanced"
)

const (
	// pausedDelay is how often a message in mid-retry looks whether its campaign was resumed.
	pausedDelay = 5 * time.Second
	// maxRetryAfter bounds what a vendor may ask: a header of a year would lose the message.
	maxRetryAfter = time.Hour
)

// failure turns an error of ours into Temporal's: retryable unless the state forbids it.
func failure(err error) error {
	if err == nil {
		return nil
	}
	code := errs.CodeOf(err)
	if errs.Retryable(err) {
		return temporal.NewApplicationErrorWithOptions(string(code), ErrUnavailable, temporal.ApplicationErrorOptions{})
	}
	return temporal.NewApplicationErrorWithOptions(string(code)+": "+err.Error(), ErrRefused,
		temporal.ApplicationErrorOptions{NonRetryable: true})
}

func pausedError() error {
	return temporal.NewApplicationErrorWithOptions("the campaign is paused", ErrPaused,
		temporal.ApplicationErrorOptions{NextRetryDelay: jitter(pausedDelay)})
}

// isOpen reports whether the campaign may send now. Its lanes are stopped when the window closes; this is
// for what was handed out before: an attempt after a long pause, a worker that was down.
func isOpen(shared campaign.SendContext, now time.Time) bool {
	open, _ := shared.Hours.At(now)
	return open
}

// closedError asks for another attempt when the send window opens, spread over a few seconds.
func closedError(shared campaign.SendContext, now time.Time) error {
	_, opens := shared.Hours.At(now)
	return temporal.NewApplicationErrorWithOptions("the send window is closed", ErrClosed,
		temporal.ApplicationErrorOptions{NextRetryDelay: opens.Sub(now) + jitter(pausedDelay)})
}

// refusedError asks for another attempt, not before the vendor wants it.
func refusedError(v *vendor.Error, attempts int) error {
	text := "PENDING"
	if v != nil {
		text = string(v.Code)
	}
	return temporal.NewApplicationErrorWithOptions(text, ErrVendorRefused,
		temporal.ApplicationErrorOptions{NextRetryDelay: pauseAfter(v, attempts)})
}

func unansweredError(v *vendor.Error, try int32) error {
	return temporal.NewApplicationErrorWithOptions(string(v.Code), ErrVendorUnanswered,
		temporal.ApplicationErrorOptions{NextRetryDelay: pauseAfter(v, int(try))})
}

// pauseAfter is how long to wait after try number n, and not less than the vendor asks for.
func pauseAfter(v *vendor.Error, n int) time.Duration {
	if v == nil {
		return backoff(n)
	}
	return max(backoff(n), min(v.RetryAfter, maxRetryAfter))
}

// jitter takes away up to half of a pause.
func jitter(d time.Duration) time.Duration {
	half := d / 2 //nolint:mnd // half of the pause is random, half is kept
	return half + rand.N(half+1)
}
