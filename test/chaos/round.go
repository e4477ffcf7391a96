package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// fault is something that goes wrong in a round. Every function may be nil.
type fault struct {
	name string
	work work
	// arm makes it ready before the work begins.
	arm func(ctx context.Context, r *round) error
	// strike makes it happen, in its phase, and ends when it is over.
	strike func(ctx context.Context, r *round) error
	phase  phase
	// heal takes back what would last. It is always called.
	heal func(ctx context.Context, r *round) error
	// struck reports whether it really happened: a round without its fault proves nothing. Without it,
	// a strike that ended well is what happened.
	struck func(r *round) bool
	// over is when the fault was over, where that is not the end of its strike.
	over func(r *round) time.Time
	// again is a fault that is more likely to strike, for a round in which this one did not.
	again func() fault
	// unnoticed refuses a round in which a client had to repeat a request.
	unnoticed bool
}

// round is one campaign, and a stream of orders, under one fault.
type round struct {
	w          *world
	fault      fault
	work       work
	number     uint64
	key        string
	recipients int
	fired      bool // the strike ended well

	mu       sync.Mutex
	campaign string
}

// verdict is what became of a round.
type verdict struct {
	Fault      string        `json:"fault"`
	Round      string        `json:"round"`
	Violations []violation   `json:"violations,omitempty"`
	Vacuous    bool          `json:"vacuous,omitempty"`
	Took       time.Duration `json:"took_ns"`
	// Recovered is the time from the end of the fault to closed books.
	Recovered time.Duration `json:"recovered_ns"`
	Lines     []string      `json:"lines,omitempty"` // the auditor's, of the round's campaign
	Retried   int           `json:"retried"`         // requests that a client had to repeat
}

// violation is a promise that did not hold.
type violation struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// roundTime bounds a round as a whole: every wait in it has its own, shorter bound.
const roundTime = 6 * time.Minute

// run does the work under the fault and judges the end. An error is one of the harness, except where it
// is that the system did not get done: that is a violation of L1.
func (r *round) run(ctx context.Context) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	r.work = r.fault.work
	v := verdict{Fault: r.fault.name, Round: r.key}
	begin := time.Now()
	if r.work.holdReceipts {
		if err := r.w.vendorFaults(ctx, map[string]any{"hold_receipts": true}); err != nil {
			return v, err
		}
	}
	if r.fault.arm != nil {
		if err := r.fault.arm(ctx, r); err != nil {
			return v, fmt.Errorf("arm %s: %w", r.fault.name, err)
		}
	}
	healed, workErr := r.underFault(ctx)
	if r.fault.over != nil {
		healed = r.fault.over(r)
	}
	if !healed.IsZero() {
		v.Recovered = time.Since(healed)
	}
	switch {
	case errors.Is(workErr, errTooLong):
		v.add("L1", "%v", workErr)
	case errors.Is(workErr, errBooks):
		v.add("I15", "%v", workErr)
	}
	if workErr != nil && len(v.Violations) == 0 {
		return v, workErr
	}
	wait := patience
	if len(v.Violations) > 0 {
		wait = hiccup // it has had its time: what can be said of it without rest?
	}
	if err := r.judge(ctx, &v, wait); err != nil {
		return v, err
	}
	v.Vacuous = !r.struck()
	v.Took = time.Since(begin)
	return v, nil
}

func (r *round) struck() bool {
	if r.fault.struck != nil {
		return r.fault.struck(r)
	}
	return r.fault.strike == nil || r.fired
}

// underFault does the work with the fault in its phase, and gives when the fault was over.
func (r *round) underFault(ctx context.Context) (healed time.Time, err error) {
	probe := r.w.probe(ctx)
	defer func() { err = errors.Join(err, probe()) }()
	heal := sync.OnceValue(func() error {
		healed = time.Now()
		return r.heal(ctx)
	})
	defer func() { err = errors.Join(err, heal()) }()
	if r.fault.strike != nil && r.fault.phase == idle {
		if err := errors.Join(r.strikeNow(ctx), heal()); err != nil {
			return healed, err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.ingest(ctx) })
	group.Go(func() error {
		if err := r.launch(ctx); err != nil {
			return err
		}
		return r.steerIt(ctx)
	})
	if r.fault.strike != nil && r.fault.phase != idle {
		group.Go(func() error {
			if err := r.await(ctx, r.fault.phase); err != nil {
				return fmt.Errorf("phase %s: %w", r.fault.phase, err)
			}
			return errors.Join(r.strikeNow(ctx), heal())
		})
	} else if r.work.startLate || r.work.holdReceipts {
		group.Go(func() error { return errors.Join(r.await(ctx, launched), heal()) })
	}
	err = group.Wait()
	return healed, err
}

func (r *round) strikeNow(ctx context.Context) error {
	if err := r.fault.strike(ctx, r); err != nil {
		return fmt.Errorf("%s: %w", r.fault.name, err)
	}
	r.fired = true
	return nil
}

// heal takes the fault back, and whatever a round may have set.
func (r *round) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var err error
	if r.fault.heal != nil {
		err = r.fault.heal(ctx, r)
	}
	for _, p := range r.w.lines.all() {
		p.Freeze(false)
		p.Refuse(false)
	}
	return errors.Join(err, r.w.vendorFaults(ctx, map[string]any{}))
}

func (r *round) campaignID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.campaign
}
