package rabbit

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// What becomes of a message, decided by what the handler answered to it alone:
//
//	nil                                       acknowledged
//	Invalid NotFound Conflict Unauthorized    parked in the quarantine with its raw bytes, then
//	Forbidden                                 acknowledged
//	Unavailable Unknown RateLimited           kept and tried again for as long as it takes; parked only
//	                                          if it has failed maxTries times while its dependency
//	                                          answered and others succeeded
//	Internal, panic, timeout of the handler   tried maxFaults times, then parked, unless the
//	                                          dependency does not answer
//
// A message is never nacked: RabbitMQ 3.10 counts that towards the delivery limit. When parking
// fails, the message is kept. Failures of a batch decide nothing: its members are tried alone.
const (
	maxFaults = 3
	// maxTries with growing pauses takes minutes.
	maxTries = 20
	// maxParkedInRow is how many faulty messages may be parked with no success in between. More in a
	// row are no poison but a fault of ours, a missing migration say: then we wait, and a queue is
	// not emptied into the quarantine overnight.
	maxParkedInRow = 5
)

type verdict int

const (
	verdictAck verdict = iota
	verdictPark
	verdictWait
	verdictFault
)

// decide is the only place that turns a handler's error into what happens to the message.
func decide(err error, timedOut bool) verdict {
	if err == nil {
		return verdictAck
	}
	if timedOut {
		return verdictFault
	}
	switch errs.CodeOf(err) {
	case errs.Invalid, errs.NotFound, errs.Conflict, errs.Unauthorized, errs.Forbidden:
		return verdictPark
	case errs.Unavailable, errs.Unknown, errs.RateLimited:
		return verdictWait
	case errs.Internal:
		return verdictFault
	}
	return verdictFault
}

// process handles kept deliveries alone, then fresh ones together, acknowledges what is settled, and
// gives what is not. In an outage it stops at the first failure.
func (w *worker) process(ctx context.Context, s *subscription, kept, fresh []*item) (left []*item, outage bool, err error) {
	settled, kept, outage := w.alone(ctx, kept)
	if err := s.ack(settled); err != nil {
		return nil, outage, err
	}
	if outage {
		return append(kept, fresh...), true, nil
	}
	settled, failed := w.together(ctx, fresh)
	w.acked += len(settled)
	more, failed, outage := w.alone(ctx, failed)
	return append(kept, failed...), outage, s.ack(append(settled, more...))
}

// together handles a batch in one call and gives the successes and the rest. A single delivery, and
// one too large to be looked at, is left to alone.
func (w *worker) together(ctx context.Context, fresh []*item) (settled, failed []*item) {
	batch := make([]*item, 0, len(fresh))
	for _, it := range fresh {
		if len(it.Body) > event.MaxBodyBytes {
			failed = append(failed, it)
			continue
		}
		batch = append(batch, it)
	}
	if len(batch) <= 1 {
		return nil, append(batch, failed...)
	}
	results, _ := w.call(ctx, batch)
	for i, it := range batch {
		if results[i] == nil {
			settled = append(settled, it)
		} else {
			failed = append(failed, it)
		}
	}
	return settled, failed
}

// alone handles one delivery after the other until one meets an outage.
func (w *worker) alone(ctx context.Context, items []*item) (settled, kept []*item, outage bool) {
	for i, it := range items {
		if ctx.Err() != nil {
			return settled, append(kept, items[i:]...), false
		}
		done, outage := w.one(ctx, it)
		if done {
			settled = append(settled, it)
		} else {
			kept = append(kept, it)
		}
		if outage {
			return settled, append(kept, items[i+1:]...), true
		}
	}
	return settled, kept, false
}

// one handles a delivery alone and reports whether it is settled, and whether it met an outage.
func (w *worker) one(ctx context.Context, it *item) (done, outage bool) {
	if size := len(it.Body); size > event.MaxBodyBytes {
		return w.park(ctx, it, fmt.Sprintf("the body has %d bytes, more than %d", size, event.MaxBodyBytes))
	}
	results, timedOut := w.call(ctx, []*item{it})
	err := results[0]
	switch decide(err, timedOut) {
	case verdictAck:
		w.acked++
		return true, false
	case verdictPark:
		return w.park(ctx, it, err.Error())
	case verdictWait, verdictFault:
	}
	if probeErr := w.probe(context.WithoutCancel(ctx)); probeErr != nil {
		w.cfg.Log.WarnContext(ctx, "consumer met an outage", "error", probeErr)
		return false, true
	}
	return w.again(ctx, it, err, timedOut)
}

// again decides on a delivery that failed although its dependency answers.
func (w *worker) again(ctx context.Context, it *item, err error, timedOut bool) (done, outage bool) {
	if it.tries == 0 {
		it.ackedThen = w.acked
		w.cfg.Log.WarnContext(ctx, "message failed, will be tried again", "message_id", it.ID, "error_code", string(errs.CodeOf(err)))
	}
	it.tries++
	if decide(err, timedOut) == verdictFault {
		it.faults++
	}
	hopeless := it.tries >= maxTries && w.acked > it.ackedThen
	if (it.faults < maxFaults || w.parkedInRow >= maxParkedInRow) && !hopeless {
		return false, false
	}
	w.parkedInRow++
	return w.park(ctx, it, fmt.Sprintf("failed %d times: %v", it.tries, err))
}

// park puts a delivery into the quarantine. When that fails it is an outage: nothing is lost and
// nothing is dropped.
func (w *worker) park(ctx context.Context, it *item, reason string) (done, outage bool) {
	parkCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.HandlerTimeout)
	defer cancel()
	if err := w.cfg.Quarantine.Park(parkCtx, it.Delivery, reasonText(reason)); err != nil {
		w.cfg.Log.ErrorContext(ctx, "message not parked", "message_id", it.ID, "error", err)
		return false, true
	}
	// The reason may quote the message; it stands in the quarantine, not in the log.
	w.cfg.Log.WarnContext(ctx, "message parked", "message_id", it.ID, "body_bytes", len(it.Body))
	return true, false
}

// call runs the handler under its own deadline: the end of ctx stops us from taking more, not a
// handler that is about to commit. It reports whether the deadline passed.
func (w *worker) call(ctx context.Context, items []*item) (results []error, timedOut bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.HandlerTimeout)
	defer cancel()
	ds := make([]Delivery, len(items))
	for i, it := range items {
		ds[i] = it.Delivery
	}
	results = recovered(ctx, w.cfg.Log, w.cfg.Handle, ds)
	return results, ctx.Err() != nil
}

// recovered turns a panic into an Internal error for every delivery.
func recovered(ctx context.Context, log *slog.Logger, h BatchHandler, ds []Delivery) (results []error) {
	defer func() {
		if r := recover(); r != nil {
			// A runtime error's text is safe; any other value may hold a customer's data.
			text := fmt.Sprintf("panic of type %T", r)
			if re, ok := r.(runtime.Error); ok {
				text = re.Error()
			}
			log.ErrorContext(ctx, "handler panicked", "panic", text, "stack", string(debug.Stack()))
			results = fill(make([]error, len(ds)), errs.Errorf(errs.Internal, "handler panicked: %s", text))
		}
	}()
	results = h(ctx, ds)
	if len(results) != len(ds) {
		return fill(make([]error, len(ds)), errs.Errorf(errs.Internal, "handler gave %d results for %d messages", len(results), len(ds)))
	}
	return results
}
