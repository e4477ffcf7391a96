package business

import (
	"context"
	"time"

	"github.com/xencrm/xencrm/internal/batch"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// recordLinger is how long the first answer waits for neighbours when nothing is being written. Next to a vendor
	// that takes hundreds of milliseconds it is nothing. At 500 sends a second it was 10 ms when a recipient cost
	// 0.13 commits; with this and receipts in larger batches they are 0.10.
	recordLinger = 25 * time.Millisecond
	// recordMax bounds one transaction, and so how long its row locks are held: some 30 ms.
	recordMax = 400
)

// Recorder writes the answers of sends that end together in one transaction: 25 to 50 of them share a
// commit when a thousand a second come in.
type Recorder struct {
	store *Store
	group *batch.Group[campaign.Answer, recorded]
}

type recorded struct {
	state campaign.MessageState
	err   error
}

// NewRecorder makes a recorder over the store; Close it before the pool.
func NewRecorder(s *Store) *Recorder {
	r := &Recorder{store: s}
	r.group = batch.New(batch.Options{MaxSize: recordMax, Linger: recordLinger}, r.flush)
	return r
}

// Record returns when the answer is committed, with the state of its message. When ctx ends first the
// answer may still be written; recording it again changes nothing.
func (r *Recorder) Record(ctx context.Context, a campaign.Answer) (campaign.MessageState, error) {
	got, err := r.group.Do(ctx, a)
	if err != nil {
		return campaign.MessageState{}, errs.Wrap(errs.Unknown, err, "the answer may not be recorded")
	}
	return got.state, got.err
}

// Close waits until everything that was taken is written.
func (r *Recorder) Close() { r.group.Close() }

// flush writes a batch together. If the batch is refused, each is written alone, so that one that
// cannot be stored fails by itself.
func (r *Recorder) flush(ctx context.Context, answers []campaign.Answer) ([]recorded, error) {
	out := make([]recorded, len(answers))
	states, err := r.store.RecordAnswers(ctx, answers)
	if err == nil {
		for i, s := range states {
			out[i].state = s
		}
		return out, nil
	}
	if len(answers) == 1 || errs.Retryable(err) {
		for i := range out {
			out[i].err = err
		}
		return out, nil
	}
	for i := range answers {
		single, err := r.flush(ctx, answers[i:i+1])
		if err != nil {
			return nil, err
		}
		out[i] = single[0]
	}
	return out, nil
}
