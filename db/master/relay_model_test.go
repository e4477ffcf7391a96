package master_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// fate is what has become of one event, as far as the model knows.
type fate struct {
	// delivered is how often the broker took it; published says that the store knows.
	delivered int
	published bool
	refusals  int
}

// relayModel is the outbox in the simplest way there is: a list of what was committed.
type relayModel struct {
	*bundle

	committed map[string]*fate
	late      []lateEvent
}

// lateEvent was given its id, but is not committed yet.
type lateEvent struct {
	tx pgx.Tx
	id string
}

// open says which events a relay must find.
func (m *relayModel) open() map[string]*fate {
	open := map[string]*fate{}
	for id, f := range m.committed {
		if !f.published && f.refusals < maxRefusals {
			open[id] = f
		}
	}
	return open
}

// maxRefusals is how often an event is refused before it is parked.
const maxRefusals = 8

// insert writes an event that commits with tx.
func (m *relayModel) insert(t *rapid.T, tx pgx.Tx) string {
	id := uuid.NewString()
	_, err := tx.Exec(m.Context(), `INSERT INTO outbox_events (event_id, event_type, entity_id, entity_version, exchange, routing_key, payload)
		VALUES ($1, 'x', gen_random_uuid(), 1, 'e', 'k', '{}')`, id)
	require.NoError(t, err)
	return id
}

// add begins a transaction with one event, and commits it now, later, or never.
func (m *relayModel) add(t *rapid.T) {
	when := rapid.SampledFrom([]string{"now", "now", "late", "never"}).Draw(t, "commit")
	tx, err := m.pool.Begin(m.Context())
	require.NoError(t, err)
	id := m.insert(t, tx)
	switch when {
	case "now":
		require.NoError(t, tx.Commit(m.Context()))
		m.committed[id] = &fate{}
	case "never":
		require.NoError(t, tx.Rollback(m.Context()))
	case "late":
		if len(m.late) == 2 { // each keeps a connection of the pool
			require.NoError(t, tx.Rollback(m.Context()))
			return
		}
		m.late = append(m.late, lateEvent{tx, id})
	}
}

// commitLate ends the transactions that were left open: ids that stand before others come after them.
func (m *relayModel) commitLate(t *rapid.T) {
	for _, l := range m.late {
		require.NoError(t, l.tx.Commit(m.Context()))
		m.committed[l.id] = &fate{}
	}
	m.late = nil
}

// relay runs one batch against a broker that takes, does not take, or refuses each event, and perhaps
// dies before the marks are stored, with another relay in the middle of it.
func (m *relayModel) relay(t *rapid.T, nested bool) {
	open := m.open()
	limit := rapid.IntRange(1, 6).Draw(t, "limit")
	dies := rapid.IntRange(0, 4).Draw(t, "dies") == 0
	ctx, cancel := context.WithCancel(m.Context())
	defer cancel()
	marked := map[string]*fate{}
	refused := map[string]*fate{}
	seen := map[string]bool{}
	claimed, published, err := m.store.Relay(ctx, limit, func(_ context.Context, ms []event.Message) []error {
		results := make([]error, len(ms))
		for i, one := range ms {
			require.False(t, seen[one.ID], "claimed twice in one batch")
			seen[one.ID] = true
			f := open[one.ID]
			require.NotNil(t, f, "an event that is not there to be claimed")
			switch rapid.SampledFrom([]string{"takes", "takes", "away", "refuses"}).Draw(t, "broker") {
			case "takes":
				f.delivered++
				marked[one.ID] = f
			case "away":
				results[i] = errs.Errorf(errs.Unavailable, "away")
			case "refuses":
				results[i] = errs.Errorf(errs.Invalid, "too large")
				refused[one.ID] = f
			}
		}
		if nested {
			m.relayBeside(t, seen)
		}
		if dies {
			cancel()
		}
		return results
	})
	if dies && len(seen) > 0 {
		require.Error(t, err)
		return // nothing of it counts, but for what the broker has
	}
	require.NoError(t, err)
	require.Equal(t, len(seen), claimed)
	require.Equal(t, len(marked), published)
	require.Len(t, seen, min(limit, len(open)), "what is open and unlocked is claimed")
	for _, f := range marked {
		f.published = true
	}
	for _, f := range refused {
		f.refusals++
	}
	m.passPauses(t)
}

// relayBeside is a second relay while the first holds its rows: it must not get any of them.
func (m *relayModel) relayBeside(t *rapid.T, held map[string]bool) {
	_, _, err := m.store.Relay(m.Context(), 100, func(_ context.Context, ms []event.Message) []error {
		results := make([]error, len(ms))
		for i, one := range ms {
			require.False(t, held[one.ID], "two relays hold one event")
			results[i] = errs.Errorf(errs.Unavailable, "away")
		}
		return results
	})
	require.NoError(t, err)
}

// passPauses lets the pause after a refusal be over.
func (m *relayModel) passPauses(t *rapid.T) {
	_, err := m.pool.Exec(m.Context(), "UPDATE outbox_events SET not_before = now() WHERE not_before > now()")
	require.NoError(t, err)
}

// check compares the table with the model.
func (m *relayModel) check(t *rapid.T) {
	rows, err := m.pool.Query(m.Context(), `SELECT event_id::text, published_at IS NOT NULL, parked_at IS NOT NULL, attempts FROM outbox_events`)
	require.NoError(t, err)
	type row struct {
		ID                string
		Published, Parked bool
		Attempts          int
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	require.NoError(t, err)
	require.Len(t, got, len(m.committed))
	for _, r := range got {
		f := m.committed[r.ID]
		require.Equal(t, row{r.ID, f.published, f.refusals == maxRefusals, f.refusals}, r)
		if f.published {
			require.Positive(t, f.delivered, "marked, though the broker never took it")
		}
	}
}

// Events commit late, never, or in any order; relays overlap and die; the broker is away or refuses.
// Whatever the order, the table is as the model says, nothing is marked that the broker did not take,
// and once all is well again nothing is left.
func TestRelayModel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rapid.Check(t, func(t *rapid.T) {
		_, err := b.pool.Exec(b.Context(), "DELETE FROM outbox_events")
		require.NoError(t, err)
		m := &relayModel{bundle: b, committed: map[string]*fate{}}
		defer func() {
			for _, l := range m.late { // a failed check must not keep connections
				_ = l.tx.Rollback(b.Context())
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"add":         m.add,
			"commitLate":  m.commitLate,
			"relay":       func(t *rapid.T) { m.relay(t, false) },
			"relayBeside": func(t *rapid.T) { m.relay(t, true) },
			"":            m.check,
		})
		m.commitLate(t)
		open := len(m.open())
		claimed, published, err := m.store.Relay(b.Context(), open+1, newBus().publish)
		require.NoError(t, err)
		require.Equal(t, open, claimed)
		require.Equal(t, open, published, "nothing is forgotten")
	})
}
