package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xencrm/xencrm/internal/audit"
)

// errBooks is what the probe ends with when books and ledger differ in a snapshot.
var errBooks = errors.New("I15: books differ from the ledger")

// probe compares books and ledger in one snapshot after the other, by the auditor's online mode, until
// the function that it gives is called. That gives what was found.
func (w *world) probe(ctx context.Context) func() error {
	ctx, cancel := context.WithCancel(ctx)
	found := make(chan error, 1)
	go func() {
		found <- w.watch(ctx)
	}()
	return func() error {
		cancel()
		return <-found
	}
}

func (w *world) watch(ctx context.Context) error {
	// A look costs a few milliseconds; more often than this it would be load, not a probe.
	const every, stretch = 100 * time.Millisecond, 2 * time.Second
	o := audit.Options{BusinessURL: w.business.BusinessURL, MasterURL: w.master.MasterURL, Poll: every}
	for ctx.Err() == nil {
		v, err := audit.Online(ctx, o, stretch)
		if err != nil {
			// The database is what many rounds take away.
			if pause(ctx, every) != nil {
				return nil //nolint:nilerr // asked to end
			}
			continue
		}
		for _, broken := range v.Violations {
			return fmt.Errorf("%w: %s %v", errBooks, broken.Promise, broken.Examples)
		}
	}
	return nil
}
