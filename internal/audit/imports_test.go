package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/audit"
	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/projection"
)

// Nothing that an import leaves is a defect: not customers who are new, changed or said nothing new
// of, not refused rows, and not an import that failed half way. While one is staged there is no rest.
func TestImportsHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := master.New(w.pool(w.options.MasterURL))
	mv := business.New(w.pool(w.options.BusinessURL))
	service := bulk.NewService(store, store, slog.New(slog.DiscardHandler))
	var file strings.Builder
	file.WriteString("name,email,phone,total_spend,last_order_at\n")
	for n := 1; n <= 20; n++ {
		fmt.Fprintf(&file, "Renamed %d,%d@example.com,,%d.25,2025-01-01\n", n/5, n, n)
	}
	file.WriteString("Nobody,nope,,,\n")
	for range 2 {
		_, err := service.Import(t.Context(), strings.NewReader(file.String()), nil)
		require.NoError(t, err)
		v, err := audit.Final(t.Context(), w.impatient())
		require.NoError(t, err)
		require.Contains(t, strings.Join(v.Stuck, ";"), "staged batches of imports are not applied")
		w.apply(store, mv)
		v = w.final()
		require.Empty(t, v.Violations)
	}
	failed := uuid.New()
	require.NoError(t, store.CreateImport(t.Context(), failed))
	require.NoError(t, store.StageImport(t.Context(), failed, bulk.Batch{Number: 1, Read: 1, Refused: 1}))
	require.NoError(t, store.FailImport(t.Context(), failed, "cut off"))
	require.Empty(t, w.final().Violations)
}

func (w *world) pool(url string) *db.Pool {
	w.t.Helper()
	pool, err := db.Open(w.t.Context(), url, db.PoolOptions{Name: "audit-test"})
	require.NoError(w.t, err)
	w.t.Cleanup(pool.Close)
	return pool
}

// impatient gives options under which a system that is not at rest is given up at once.
func (w *world) impatient() audit.Options {
	o := w.options
	o.Wait = o.Poll
	return o
}

// apply does what the applier, the relay and the projection do.
func (w *world) apply(store *master.Store, mv *business.Store) {
	w.t.Helper()
	for id := uuid.Max; id != uuid.Nil; {
		var err error
		id, err = store.ApplyImport(w.t.Context())
		require.NoError(w.t, err)
	}
	handler := projection.NewHandler(mv)
	const enough = 1000
	_, _, err := store.Relay(w.t.Context(), enough, func(ctx context.Context, messages []event.Message) []error {
		deliveries := make([]event.Delivery, len(messages))
		for i, m := range messages {
			deliveries[i] = event.Delivery{ID: m.ID, Body: m.Body}
		}
		return handler.Handle(ctx, deliveries)
	})
	require.NoError(w.t, err)
}
