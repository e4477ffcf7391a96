package mock

import (
	"log/slog"
	"math/rand/v2"
	"net/url"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

// Range is a duration drawn evenly from Min to Max.
type Range struct {
	Min, Max time.Duration
}

func (r Range) draw() time.Duration {
	if r.Max <= r.Min {
		return r.Min
	}
	return r.Min + rand.N(r.Max-r.Min+1)
}

func (r Range) valid() bool { return r.Min >= 0 && r.Min <= r.Max }

// Config is everything the mock needs. Zeros mean zero (no latency, no success), so start from
// DefaultConfig.
type Config struct {
	// LedgerPath is the SQLite file. One running mock per file.
	LedgerPath string
	// Seed and SuccessRate go into Outcome. A key keeps the pair under which it was first seen, so a
	// change between two runs does not unsettle what was already going on.
	Seed        uint64
	SuccessRate float64
	// Latency is spent half before the ledger and half after it, so that a process killed at a random
	// moment leaves both kinds of unfinished request.
	Latency Range
	// RetryAfter is told on RATE_LIMITED, TEMPORARY_FAILURE and QUOTA_EXCEEDED in whole seconds, rounded
	// up; nothing is told when it is zero.
	RetryAfter time.Duration
	// ReceiptURL is where receipts are posted; with none they stay in the ledger, unconfirmed.
	ReceiptURL string
	// ReceiptSecret signs them: whsec_ and base64.
	ReceiptSecret string
	// ReceiptDelay counts from when the answer goes out.
	ReceiptDelay Range
	// ReceiptBatch is the most receipts in one post, ReceiptInterval how long they gather,
	// ReceiptConcurrency how many posts are under way at once, ReceiptTimeout the end of one.
	ReceiptBatch       int
	ReceiptInterval    time.Duration
	ReceiptConcurrency int
	ReceiptTimeout     time.Duration
	// Faults is what goes wrong from the start; PUT /admin/faults replaces it.
	Faults Faults
	Logger *slog.Logger
}

// DefaultConfig is the reference's vendor: 90 % success, 200-800 ms.
func DefaultConfig() Config {
	return Config{
		Seed:         1,
		SuccessRate:  0.9,
		Latency:      Range{Min: 200 * time.Millisecond, Max: 800 * time.Millisecond},
		RetryAfter:   time.Second,
		ReceiptDelay: Range{Min: 100 * time.Millisecond, Max: 500 * time.Millisecond},
		// 100 receipts per RabbitMQ message is what reached 7,000-10,400/s in design.md section 3.
		ReceiptBatch: 100,
		// Vendors gather for longer. With 50 ms, 500 messages a second are 20 posts of 25 receipts, and the way of a
		// receipt through API, broker and consumer costs 213 µs of CPU in place of 126 to 150.
		ReceiptInterval:    200 * time.Millisecond,
		ReceiptConcurrency: 4,
		ReceiptTimeout:     10 * time.Second,
		Logger:             slog.Default(),
	}
}

// Validate gives errs.Invalid with every faulty setting, or nil.
func (c Config) Validate() error {
	var bad []errs.Field
	require := func(holds bool, pointer, message string) {
		if !holds {
			bad = append(bad, errs.Field{Pointer: pointer, Message: message})
		}
	}
	require(c.LedgerPath != "", "/ledger_path", "must name a file")
	require(c.SuccessRate >= 0 && c.SuccessRate <= 1, "/success_rate", "must be from 0 to 1")
	require(c.Latency.valid(), "/latency", "must be 0 <= min <= max")
	require(c.ReceiptDelay.valid(), "/receipt_delay", "must be 0 <= min <= max")
	require(c.RetryAfter >= 0, "/retry_after", "must not be negative")
	require(c.ReceiptBatch > 0 && c.ReceiptBatch <= vendor.MaxReceipts, "/receipt_batch", "must be 1 to 1000")
	require(c.ReceiptInterval > 0, "/receipt_interval", "must be above 0")
	require(c.ReceiptConcurrency > 0, "/receipt_concurrency", "must be above 0")
	require(c.ReceiptTimeout > 0, "/receipt_timeout", "must be above 0")
	if c.ReceiptURL != "" {
		u, err := url.Parse(c.ReceiptURL)
		require(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "",
			"/receipt_url", "must be an http or https URL")
		_, err = standardwebhooks.NewWebhook(c.ReceiptSecret)
		require(err == nil && c.ReceiptSecret != "", "/receipt_secret", "must be whsec_ and base64")
	}
	bad = append(bad, c.Faults.check()...)
	if bad == nil {
		return nil
	}
	return errs.InvalidFields("mock vendor settings are not valid", bad)
}
