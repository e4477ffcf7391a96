package business

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/batch"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// readLinger is how long a message that is asked for alone waits for others: those of one lane come
	// within a millisecond of each other, and each has waited for its next attempt a hundred times as long.
	readLinger = 5 * time.Millisecond
	// readMax bounds one statement to some 10 ms; a lane asks for 45 at once.
	readMax = 200
)

// Reader gives messages for sending. Further attempts, which ask for one message each, share a query:
// without that a twentieth of the messages costs as many commits as all the others together.
type Reader struct {
	*Store
	group *batch.Group[messageRef, loaded]
}

type messageRef struct {
	campaignID uuid.UUID
	seq        int
}

// loaded is one message with what it shares with its campaign; it has none when the ledger has none.
type loaded struct {
	shared   campaign.SendContext
	messages []campaign.Message
	err      error
}

// NewReader makes a reader over the store; Close it before the pool.
func NewReader(s *Store) *Reader {
	r := &Reader{Store: s}
	// Two at once: nothing is written, and a slow query is not to hold up the next.
	r.group = batch.New(batch.Options{MaxSize: readMax, Linger: readLinger, Parallel: 2}, r.flush)
	return r
}

// LoadMessages is Store.LoadMessages; a single message is read together with others that are wanted now.
func (r *Reader) LoadMessages(
	ctx context.Context, id uuid.UUID, first, last int,
) (campaign.SendContext, []campaign.Message, error) {
	if first != last {
		return r.Store.LoadMessages(ctx, id, first, last)
	}
	got, err := r.group.Do(ctx, messageRef{campaignID: id, seq: first})
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, batch.ErrClosed) {
			err = errs.Wrap(errs.Unavailable, err, "the message was not read")
		}
		return campaign.SendContext{}, nil, err
	}
	return got.shared, got.messages, got.err
}

// Close waits until everything that was asked for is read.
func (r *Reader) Close() { r.group.Close() }

func (r *Reader) flush(ctx context.Context, refs []messageRef) ([]loaded, error) {
	var p businesssql.LoadEachParams
	for _, ref := range refs {
		p.CampaignIds = append(p.CampaignIds, ref.campaignID)
		p.Seqs = append(p.Seqs, int32(ref.seq)) //nolint:gosec // sequence numbers are counts of rows, far below int4
	}
	rows, err := r.q.LoadEach(ctx, p)
	if err != nil {
		return nil, db.Translate(err)
	}
	found := make(map[messageRef]loaded, len(rows))
	for i := range rows {
		found[messageRef{rows[i].CampaignID, int(rows[i].Seq)}] = loadedOf(&rows[i])
	}
	out := make([]loaded, len(refs))
	for i, ref := range refs {
		out[i] = found[ref]
	}
	return out, nil
}

func loadedOf(r *businesssql.LoadEachRow) loaded {
	shared, err := sendContextOf(businesssql.GetSendContextRow{
		Name: r.CampaignName, CampaignType: r.CampaignType, Status: r.CampaignStatus,
		SendDeadlineMs: r.SendDeadlineMs, SendWindow: r.SendWindow,
	})
	m := messageOf(businesssql.LoadMessagesRow{
		CommunicationID: r.CommunicationID, CustomerID: r.CustomerID, Seq: r.Seq, CustomerEmail: r.CustomerEmail,
		CustomerName: r.CustomerName, MessageText: r.MessageText, Status: r.Status, Attempts: r.Attempts,
		MaxAttempts: r.MaxAttempts, Suppressed: r.Suppressed,
	})
	return loaded{shared: shared, messages: []campaign.Message{m}, err: err}
}
