package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/xencrm/xencrm/internal/devstack"
)

// compounds are several things that go wrong at once.
func compounds() []fault {
	return []fault{
		{name: "compound/everything-dies", phase: send50, work: work{slow: true}, strike: everythingDies},
		{
			// A broker that goes between confirm and mark, while the other database is away.
			name: "compound/broker-and-database", work: work{slow: true}, phase: send10,
			arm: func(_ context.Context, r *round) error { return r.w.plan(r.key, "relay.after_confirm sleep:2s@3") },
			strike: func(ctx context.Context, r *round) error {
				if err := poll(ctx, func() (bool, error) { return r.w.hasFired(r.key, "relay.after_confirm"), nil }); err != nil {
					return err
				}
				group, ctx := errgroup.WithContext(ctx)
				group.Go(func() error { return r.w.business.Postgres().Restart(ctx) })
				group.Go(func() error { return r.w.business.Rabbit().Restart(ctx) })
				return group.Wait()
			},
		},
		{
			name: "compound/drops-all-answers-while-workers-die", work: work{slow: true}, phase: send10,
			strike: func(ctx context.Context, r *round) error {
				if err := r.w.vendorFaults(ctx, map[string]any{"drop_after": 1}); err != nil {
					return err
				}
				return errors.Join(r.killEvery(ctx, "worker", 3*time.Second, 4), r.w.vendorFaults(ctx, map[string]any{}))
			},
		},
		{
			name: "compound/receipt-storm-while-consumers-die", work: work{slow: true}, phase: send10,
			strike: func(ctx context.Context, r *round) error {
				if err := r.w.vendorFaults(ctx, map[string]any{"receipt_copies": 46, "shuffle_receipts": true}); err != nil {
					return err
				}
				return r.killEvery(ctx, "consumer", 2*time.Second, 3)
			},
		},
		{
			name: "compound/edit-kill-cancel-late-receipts", phase: send10,
			work: work{steer: steerCancel, slow: true, holdReceipts: true}, strike: editAndKill,
		},
		{name: "compound/database-flaps", work: work{slow: true}, phase: ingest, strike: flap},
		{name: "compound/vendor-at-its-worst", work: work{slow: true}, phase: launched, strike: func(ctx context.Context, r *round) error {
			return errors.Join(r.w.vendorFaults(ctx, map[string]any{
				"error_before": 0.1, "error_after": 0.1, "drop_after": 0.1, "garbage": 0.1, "storm": 0.1, "receipt_copies": 3, "shuffle_receipts": true,
			}), r.ended(ctx, 0))
		}},
		rolling(),
	}
}

// everythingDies kills every process of ours and every server with -9. The supervisors start them again
// in whatever order they come.
func everythingDies(ctx context.Context, r *round) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range roleNames() {
		group.Go(func() error { return r.w.signal(ctx, name, syscall.SIGKILL) })
	}
	w := r.w
	for _, s := range []*devstack.Server{w.master.Postgres(), w.business.Postgres(), w.business.Rabbit(), w.business.Temporal()} {
		group.Go(func() error { return killServer(ctx, s) })
	}
	return group.Wait()
}

// killEvery kills a role several times.
func (r *round) killEvery(ctx context.Context, role string, every time.Duration, times int) error {
	for range times {
		if err := r.w.signal(ctx, role, syscall.SIGKILL); err != nil {
			return err
		}
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
	return nil
}

// editAndKill changes the segment of a running campaign, which must not change its audience, and kills
// the worker while the campaign is being cancelled.
func editAndKill(ctx context.Context, r *round) error {
	o := &op{Round: r.key, Kind: "segment", Method: http.MethodPut, Path: "/api/segments/" + r.w.segment}
	if err := r.w.accepted(ctx, o, everyoneWhoOrdered("renamed by "+r.key)); err != nil {
		return err
	}
	return r.w.signal(ctx, "worker", syscall.SIGKILL)
}

// flap takes the business database away again and again, for up to two seconds each time.
func flap(ctx context.Context, r *round) error {
	seeded := rand.New(rand.NewPCG(r.w.seed, r.number)) // repeatable on purpose
	random := func(most time.Duration) time.Duration { return time.Duration(seeded.Int64N(int64(most))) }
	for range 5 {
		s := r.w.business.Postgres()
		// Frozen, not stopped: its clients find out only by waiting.
		if err := errors.Join(s.Pause(), pause(ctx, random(2*time.Second)), s.Resume()); err != nil {
			return err
		}
		if err := errors.Join(killServer(ctx, s), pause(ctx, random(3*time.Second))); err != nil {
			return err
		}
	}
	return nil
}

// rolling restarts every role in turn, as a deployment does, with a second one of each beside it. A
// client behind a balancer that tries the other instance when one refuses the connection notices nothing.
func rolling() fault {
	names := roleNames()[1:] // the vendor is not ours to deploy
	return fault{
		name: "compound/rolling-restart", phase: send10, unnoticed: true, work: work{slow: true},
		arm: func(ctx context.Context, r *round) error { return r.w.startSeconds(ctx, names) },
		strike: func(ctx context.Context, r *round) error {
			for _, name := range names {
				if err := r.w.replace(ctx, name); err != nil {
					return err
				}
			}
			return nil
		},
		heal: func(ctx context.Context, r *round) error {
			var all []error
			for _, name := range names {
				all = append(all, r.w.stopRole(ctx, name+second))
			}
			r.w.client.balance("http://" + r.w.lines.front.Addr())
			return errors.Join(all...)
		},
	}
}
