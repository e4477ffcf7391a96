// Package activities holds the side effects of campaigns, behind ports that it declares itself. It
// imports the domain and the Temporal SDK, never a database, a broker or an HTTP client.
//
// Every activity may be executed any number of times: the first line of each says why that is
// harmless.
package activities

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/vendor"
)

// AudienceStore resolves audiences.
type AudienceStore interface {
	Campaign(ctx context.Context, id uuid.UUID) (campaign.Campaign, error)
	ResolveAudience(ctx context.Context, r campaign.AudienceRequest) (campaign.Audience, error)
}

// MessageStore reads the ledger.
type MessageStore interface {
	LoadMessages(ctx context.Context, id uuid.UUID, first, last int) (campaign.SendContext, []campaign.Message, error)
	PendingSeqs(ctx context.Context, id uuid.UUID, after, limit int) ([]int, error)
}

// AnswerRecorder writes the outcome of one send to ledger, attempts and books and gives the state of
// the message afterwards. Implementations share one transaction between sends that end together.
type AnswerRecorder interface {
	Record(ctx context.Context, a campaign.Answer) (campaign.MessageState, error)
}

// Turns space the sends of all workers at the vendor's rate.
type Turns interface {
	// Take gives the moment at which a send may post, by this process's clock: a few seconds ahead at most.
	Take(ctx context.Context) (time.Time, error)
}

// BooksStore keeps the books and the status of campaigns.
type BooksStore interface {
	Totals(ctx context.Context, id uuid.UUID) (campaign.Totals, error)
	SetStatus(ctx context.Context, id uuid.UUID, status campaign.Status) error
	SetRate(ctx context.Context, id uuid.UUID, perSecond float64) error
	CancelPending(ctx context.Context, id uuid.UUID) (campaign.Totals, error)
	Finalize(ctx context.Context, id uuid.UUID, status campaign.Status) (campaign.Totals, error)
	Fail(ctx context.Context, id uuid.UUID, reason string) error
}

// Deps are what the activities reach the world through.
type Deps struct {
	Audience AudienceStore
	Messages MessageStore
	Answers  AnswerRecorder
	Books    BooksStore
	Vendor   vendor.Client
	// Occurrences makes the campaigns of schedules.
	Occurrences Occurrences
	// UnsubscribeURL makes the links of messages; nil makes messages without.
	UnsubscribeURL func(campaignID, customerID uuid.UUID) string
	Now            func() time.Time
	Log            *slog.Logger
	// PagedAbove decides the fan-out of campaigns that leave it open; PageSize is that of their pages.
	PagedAbove int
	PageSize   int
	// MaxPosts is how many posts all pages of this process have in flight together.
	MaxPosts int
	// Turns are set when Temporal hands sends out at the vendor's rate; nil is no limit. Then a send may have
	// waited for long and looks at the ledger again, and every message is a send: a page would not be counted
	// message by message.
	Turns Turns
}

// ApplyDefaults fills in what is zero.
func (d *Deps) ApplyDefaults() {
	d.PagedAbove = cmp.Or(d.PagedAbove, campaign.DefaultPagedAbove)
	if d.Turns != nil {
		d.PagedAbove = math.MaxInt
	}
	d.PageSize = cmp.Or(d.PageSize, MaxPageSize)
	// One connection each; as many as the worker's activities have by default.
	d.MaxPosts = cmp.Or(d.MaxPosts, 1440)
}

// Activities is registered with a worker; its exported methods are the activities.
type Activities struct {
	audience AudienceStore
	messages MessageStore
	answers  AnswerRecorder
	books    BooksStore
	vendor   vendor.Client
	// occurrences makes the campaigns of schedules.
	occurrences Occurrences

	links func(campaignID, customerID uuid.UUID) string
	pages *pageCache
	now   func() time.Time
	log   *slog.Logger
	// posts are those of pages; ordinary sends are bounded by the worker's activity slots.
	posts      *semaphore.Weighted
	beats      pageBeats
	pagedAbove int
	pageSize   int
	turns      Turns
}

// New makes the activities.
func New(d Deps) *Activities {
	d.ApplyDefaults()
	return &Activities{
		audience: d.Audience, messages: d.Messages, answers: d.Answers, books: d.Books, vendor: d.Vendor, occurrences: d.Occurrences,
		links: d.UnsubscribeURL, pages: newPageCache(d.Messages, d.Now), now: d.Now, log: d.Log,
		posts: semaphore.NewWeighted(int64(d.MaxPosts)), pagedAbove: d.PagedAbove, pageSize: d.PageSize,
		turns: d.Turns,
	}
}
