// Package runner runs the services of one process together: the first that ends takes the others
// down, and what was opened is closed in the reverse order.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
)

// Service is a named loop that ends with nil when its context does.
type Service struct {
	Name string
	Run  func(ctx context.Context) error
}

// Run runs the services until the context ends or one of them fails, and then waits for all.
func Run(ctx context.Context, services ...Service) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range services {
		group.Go(func() error {
			if err := s.Run(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			if ctx.Err() == nil {
				return fmt.Errorf("%s: %w", s.Name, errEnded)
			}
			return nil
		})
	}
	return group.Wait()
}

// Behind runs front until the context ends and keeps back running until front has ended: what front is
// still finishing needs it. If back fails, front is stopped.
func Behind(ctx context.Context, back, front Service) error {
	frontCtx, stopFront := context.WithCancel(ctx)
	defer stopFront()
	backCtx, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBack()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(backCtx, back)
		stopFront()
	}()
	err := Run(frontCtx, front)
	stopBack()
	return errors.Join(err, <-ended)
}

var errEnded = errors.New("ended by itself")

// Retry calls fn until it succeeds, is not worth repeating, or the context ends. A cold start may
// bring up the servers in any order, so a role waits for them instead of dying in a loop.
func Retry(ctx context.Context, log *slog.Logger, what string, worth func(error) bool, fn func(context.Context) error) error {
	const first, longest = 200 * time.Millisecond, 5 * time.Second // servers here start within seconds
	for pause := first; ; pause = min(2*pause, longest) {
		err := fn(ctx)
		if err == nil || !worth(err) {
			return err
		}
		log.InfoContext(ctx, "waiting", "for", what, "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		case <-time.After(pause):
		}
	}
}
