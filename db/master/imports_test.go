package master_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

const importHeader = "email,name,phone,total_spend,total_visits,last_order_at,status\n"

// upload stages a file and does not apply it.
func (b *bundle) upload(file string) bulk.Import {
	b.Helper()
	started, err := bulk.NewService(b.store, b.store, slog.New(slog.DiscardHandler)).
		Import(b.Context(), strings.NewReader(file), nil)
	require.NoError(b, err)
	return started
}

// drain applies what is staged.
func (b *bundle) drain() {
	b.Helper()
	for {
		id, err := b.store.ApplyImport(b.Context())
		require.NoError(b, err)
		if id == uuid.Nil {
			return
		}
	}
}

func (b *bundle) progress(id uuid.UUID) bulk.Import {
	b.Helper()
	got, err := b.store.Import(b.Context(), id)
	require.NoError(b, err)
	return got
}

// imported imports a file to its end.
func (b *bundle) imported(file string) bulk.Import {
	b.Helper()
	started := b.upload(file)
	b.drain()
	got := b.progress(started.ID)
	require.Equal(b, bulk.Completed, got.State)
	require.NotNil(b, got.FinishedAt)
	return got
}

// nothingStaged holds at the end of every import, however it ended.
func (b *bundle) nothingStaged() {
	b.Helper()
	require.Zero(b, b.count("SELECT (SELECT count(*) FROM import_rows) + (SELECT count(*) FROM import_batches)"))
}

type counts struct{ Read, Stored, Refused, Created, Changed, Errors int64 }

func countsOf(m bulk.Import) counts {
	return counts{m.Read, m.Stored, m.Refused, m.Created, m.Changed, m.Errors}
}

func TestImport(t *testing.T) {
	t.Parallel()

	t.Run("C19OneBadRowIsReportedAndTheOthersAreStored", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var file strings.Builder
		file.WriteString(importHeader)
		for i := range 10_000 {
			if i == 6999 {
				file.WriteString("nope,Asha,,,,,\n")
				continue
			}
			fmt.Fprintf(&file, "c%d@shop.in,Asha,,%d.50,,,\n", i, i)
		}
		got := b.imported(file.String())
		require.Equal(t, counts{10_000, 9999, 1, 9999, 0, 1}, countsOf(got))
		faults, err := b.store.ImportErrors(t.Context(), bulk.ErrorFilter{ImportID: got.ID, Limit: 10})
		require.NoError(t, err)
		require.Equal(t, []bulk.RowError{{
			Number: 1, Line: 7001, Column: "email", Code: bulk.CodeValidation, Message: `"email" must be a valid email`,
		}}, faults)
		b.nothingStaged()
		require.Equal(t, 9999, b.count("SELECT count(*) FROM outbox_events WHERE entity_version = 1"))

		events := b.count("SELECT count(*) FROM outbox_events")
		again := b.imported(file.String())
		require.Equal(t, counts{10_000, 9999, 1, 0, 0, 1}, countsOf(again), "the same file twice changes nothing")
		require.Equal(t, events, b.count("SELECT count(*) FROM outbox_events"), "and tells nobody")
	})

	t.Run("D40ChangesTheFieldsThatItNames", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "1", customer.Input{Email: email(1), Phone: new("+91 98"), TotalSpend: new(money("10"))}))
		b.orders(ordered(t, "2", customer.OrderInput{CustomerEmail: email(1), Amount: money("5")}))
		got := b.imported("name,email,total_visits\nAsha Rao,C1@shop.in,9\n")
		require.Equal(t, counts{1, 1, 0, 0, 1, 0}, countsOf(got))
		r := b.read(email(1))
		require.Equal(t, []any{"Asha Rao", "+91 98", "15.00", int32(9), int32(1), int64(3)},
			[]any{r.Name, *r.Phone, r.Spend.StringFixed(2), r.Visits, r.Orders, r.Version})
	})

	t.Run("ARowAfterAnotherInTheSameFileIsTheLaterPost", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var file strings.Builder
		file.WriteString(importHeader + "first@shop.in,Old,+91 98,,,,\n")
		for i := range 5000 { // the next row of that address comes in another batch
			fmt.Fprintf(&file, "c%d@shop.in,Asha,,,,,\n", i)
		}
		file.WriteString("first@shop.in,New,,7,,,\n")
		require.Equal(t, counts{5002, 5002, 0, 5001, 1, 0}, countsOf(b.imported(file.String())))
		r := b.read("first@shop.in")
		require.Equal(t, []any{"New", "+91 98", "7.00"}, []any{r.Name, *r.Phone, r.Spend.StringFixed(2)})
	})

	t.Run("AnErasedCustomerIsANewOneAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "1", customer.Input{Email: email(1)}))
		erased := b.read(email(1)).ID
		_, err := b.store.EraseCustomer(t.Context(), erased)
		require.NoError(t, err)
		require.EqualValues(t, 1, b.imported("name,email\nAsha,"+email(1)+"\n").Created)
		require.NotEqual(t, erased, b.read(email(1)).ID)
		require.Equal(t, counts{1, 0, 1, 0, 0, 1}, countsOf(b.imported("name,email\nAsha,"+customer.ErasedEmail(erased)+"\n")),
			"and the tombstone is nobody's to write on")
	})

	t.Run("WhatWasExportedChangesNothingThatShows", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "1", customer.Input{Email: email(1), Name: "=1+1", Phone: new("+91 98")}), posted(t, "2", customer.Input{Email: email(2)}))
		b.orders(ordered(t, "3", customer.OrderInput{CustomerEmail: email(2), Amount: money("5")}))
		file := func() string {
			records := customer.NewRecords(b.store, b.store)
			e, err := bulk.OpenExport(t.Context(), records, customer.Filter{Sort: customer.SortEmail})
			require.NoError(t, err)
			var out strings.Builder
			require.NoError(t, e.WriteCSV(t.Context(), &out))
			return out.String()
		}
		before := file()
		// The time of the second's order becomes that of its opening value: it was posted.
		require.Equal(t, counts{2, 2, 0, 0, 1, 0}, countsOf(b.imported(before)))
		require.Equal(t, before, file())
		require.Equal(t, counts{2, 2, 0, 0, 0, 0}, countsOf(b.imported(before)))
	})

	t.Run("AnEmptyFileIsComplete", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.Equal(t, bulk.Completed, b.upload(importHeader).State)
	})

	t.Run("AnyProcessFinishesWhatWasUploaded", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		started := b.upload(importHeader + "a@shop.in,Asha,,,,,\n")
		require.Equal(t, bulk.Running, started.State)
		require.Equal(t, counts{1, 0, 0, 0, 0, 0}, countsOf(started))
		failed, err := b.store.FailSilent(t.Context(), 0, "silent")
		require.NoError(t, err)
		require.Zero(t, failed, "an upload that is over cannot be cut off")
		b.drain()
		require.Equal(t, bulk.Completed, b.progress(started.ID).State)
	})
}

func TestImportsThatAreCutOff(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString(importHeader)
	for i := range 5001 {
		fmt.Fprintf(&file, "c%d@shop.in,Asha,,,,,\n", i)
	}
	whole := file.String()

	t.Run("KeepWhatWasStoredDropTheRestAndMayBeRepeated", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		source, w := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			_, err := bulk.NewService(b.store, b.store, slog.New(slog.DiscardHandler)).
				Import(context.WithoutCancel(t.Context()), source, nil)
			ended <- err
		}()
		_, err := io.WriteString(w, whole)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return b.count("SELECT count(*) FROM import_batches") == 1 }, 30*time.Second, 5*time.Millisecond)
		b.drain() // the first batch was staged, the last row is not
		require.NoError(t, w.CloseWithError(io.ErrUnexpectedEOF))
		require.ErrorIs(t, <-ended, io.ErrUnexpectedEOF)
		var id uuid.UUID
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT import_id FROM imports").Scan(&id))
		got := b.progress(id)
		require.Equal(t, bulk.Failed, got.State)
		require.Contains(t, got.Failure, "Send the whole file again")
		require.EqualValues(t, 5000, got.Stored)
		b.nothingStaged()
		require.Equal(t, counts{5001, 5001, 0, 1, 0, 0}, countsOf(b.imported(whole)))
	})

	t.Run("WithoutASignOfLifeAreFailedOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := uuid.New()
		require.NoError(t, b.store.CreateImport(t.Context(), id))
		require.NoError(t, b.store.StageImport(t.Context(), id, aBatch(t, 1, email(1))))
		failed, err := b.store.FailSilent(t.Context(), time.Minute, "silent")
		require.NoError(t, err)
		require.Zero(t, failed, "it is alive")
		_, err = b.pool.Exec(t.Context(), "UPDATE imports SET beat_at = now() - interval '61 seconds'")
		require.NoError(t, err)
		failed, err = b.store.FailSilent(t.Context(), time.Minute, "silent")
		require.NoError(t, err)
		require.Equal(t, 1, failed)
		got := b.progress(id)
		require.Equal(t, []any{bulk.Failed, "silent", int64(1), int64(0)}, []any{got.State, got.Failure, got.Read, got.Stored})
		b.nothingStaged()

		failed, err = b.store.FailSilent(t.Context(), time.Minute, "silent")
		require.NoError(t, err)
		require.Zero(t, failed)
		// The upload was alive after all: it learns that nobody waits for it.
		require.True(t, errs.Is(b.store.StageImport(t.Context(), id, aBatch(t, 2, email(2))), errs.Conflict))
		_, err = b.store.Staged(t.Context(), id)
		require.True(t, errs.Is(err, errs.Conflict))
		require.True(t, errs.Is(b.store.EndUpload(t.Context(), id), errs.Conflict))
		require.NoError(t, b.store.BeatImport(t.Context(), id))
		require.NoError(t, b.store.FailImport(t.Context(), id, "again"))
		require.Equal(t, "silent", b.progress(id).Failure)
		require.Zero(t, b.count("SELECT count(*) FROM customers"))
	})

	t.Run("OfWhomNothingIsKnown", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.store.Import(t.Context(), uuid.New())
		require.True(t, errs.Is(err, errs.NotFound))
		require.True(t, errs.Is(b.store.StageImport(t.Context(), uuid.New(), bulk.Batch{Number: 1}), errs.NotFound))
	})
}

func aBatch(t *testing.T, number int, emails ...string) bulk.Batch {
	t.Helper()
	b := bulk.Batch{Number: number, Read: len(emails), Accepted: len(emails)}
	for _, e := range emails {
		b.Rows = append(b.Rows, bulk.Row{
			CustomerID: uuid.New(), EventID: uuid.New(), Input: customer.Input{Name: "Asha", Email: e},
		})
	}
	return b
}

// The answers to a stage, an end and a batch may be lost: each of them, done again, changes nothing.
func TestImportStepsMayBeRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	require.NoError(t, b.store.CreateImport(t.Context(), id))
	first := aBatch(t, 1, email(1), email(2))
	for range 2 {
		require.NoError(t, b.store.StageImport(t.Context(), id, first))
	}
	b.drain()
	require.NoError(t, b.store.StageImport(t.Context(), id, first))
	waiting, err := b.store.Staged(t.Context(), id)
	require.NoError(t, err)
	require.Zero(t, waiting, "it was applied before it was staged again")
	for range 2 {
		require.NoError(t, b.store.EndUpload(t.Context(), id))
	}
	require.Equal(t, counts{2, 2, 0, 2, 0, 0}, countsOf(b.progress(id)))
	require.Equal(t, bulk.Completed, b.progress(id).State)
}

// A batch is applied as a whole or not at all: the server ends the session in the midst of it, the
// progress says what is stored, and the next applier goes on from there.
func TestAnApplierThatDiesLeavesABatchBoundary(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	require.NoError(t, b.store.CreateImport(t.Context(), id))
	require.NoError(t, b.store.StageImport(t.Context(), id, aBatch(t, 1, email(1))))
	require.NoError(t, b.store.StageImport(t.Context(), id, aBatch(t, 2, email(2), email(3))))
	require.NoError(t, b.store.EndUpload(t.Context(), id))
	b.customers(posted(t, "1", customer.Input{Email: email(3)}))
	_, err := b.store.ApplyImport(t.Context())
	require.NoError(t, err)

	// Whoever holds the lock of a customer holds the applier in the middle of its batch.
	holder, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), "SELECT FROM customers WHERE email = $1 FOR UPDATE", email(3))
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := b.store.ApplyImport(context.WithoutCancel(t.Context()))
		ended <- err
	}()
	const stuck = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	require.Eventually(t, func() bool { return b.count("SELECT count(*) "+stuck) == 1 }, 30*time.Second, 5*time.Millisecond)
	other, err := b.store.ApplyImport(t.Context())
	require.NoError(t, err)
	require.Equal(t, uuid.Nil, other, "an import that somebody is at is left to him")
	var pid int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT pid "+stuck).Scan(&pid))
	_, err = b.pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", pid)
	require.NoError(t, err)
	require.True(t, errs.Retryable(<-ended))
	// Its client hears of the end before its locks are gone.
	gone := fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d", pid)
	require.Eventually(t, func() bool { return b.count(gone) == 0 }, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, holder.Rollback(t.Context()))

	got := b.progress(id)
	require.Equal(t, bulk.Running, got.State)
	require.Equal(t, counts{3, 1, 0, 1, 0, 0}, countsOf(got))
	b.drain()
	require.Equal(t, counts{3, 3, 0, 2, 0, 0}, countsOf(b.progress(id)))
	require.Equal(t, bulk.Completed, b.progress(id).State)
}

// Two imports of the same customers at once, and posts of them besides: nobody waits for ever, and
// every field that only one of them names is there in the end.
func TestImportsAtOnceLoseNoField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 2000
	file := func(column string, value func(i int) string) string {
		var out strings.Builder
		out.WriteString("name,email," + column + "\n")
		for i := range n {
			fmt.Fprintf(&out, "Asha,%s,%s\n", email(i*7919%n), value(i*7919%n))
		}
		return out.String()
	}
	var wg sync.WaitGroup
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	b.upload(file("phone", func(i int) string { return fmt.Sprintf("0800 %d", i) }))
	b.upload(file("total_visits", func(i int) string { return fmt.Sprint(i % 7) }))
	for range 3 {
		wg.Go(func() {
			for id := uuid.Max; id != uuid.Nil; {
				var err error
				id, err = b.store.ApplyImport(t.Context())
				must(err)
			}
		})
	}
	for lane := range 2 {
		wg.Go(func() {
			for i := lane; i < n; i += 100 {
				_, err := b.store.ApplyCustomers(t.Context(), []customer.Posted{
					posted(t, fmt.Sprint("m", i), customer.Input{Name: "Asha", Email: email(i), Status: new(customer.StatusInactive)}),
					posted(t, fmt.Sprint("n", i), customer.Input{Name: "Asha", Email: email(n - 1 - i)}),
				})
				must(err)
			}
		})
	}
	wg.Wait()
	b.drain()
	require.Equal(t, 2, b.count("SELECT count(*) FROM imports WHERE state = 'COMPLETED' AND rows_stored = 2000"))
	require.Zero(t, b.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
	require.Equal(t, n, b.count(`SELECT count(*) FROM customers
		WHERE phone = '0800 ' || substring(email FROM 'c(\d+)@') AND total_visits = substring(email FROM 'c(\d+)@')::int % 7`))
	require.Equal(t, 40, b.count("SELECT count(*) FROM customers WHERE status = 'INACTIVE'"))
	require.Zero(t, b.count(`SELECT count(*) FROM customers c WHERE version <> (SELECT count(*) FROM outbox_events WHERE entity_id = customer_id)
		OR version <> (SELECT max(entity_version) FROM outbox_events WHERE entity_id = customer_id)`), "each version is told of once")
}

func TestImportErrorsArePaged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	require.NoError(t, b.store.CreateImport(t.Context(), id))
	batch := bulk.Batch{Number: 1, Read: 5, Refused: 5, Faults: 7}
	for i := range 5 {
		batch.Errors = append(batch.Errors, bulk.RowError{Number: i + 1, Line: int64(i + 2), Code: "x", Message: "y"})
	}
	require.NoError(t, b.store.StageImport(t.Context(), id, batch))
	service := bulk.NewService(b.store, b.store, slog.New(slog.DiscardHandler))
	var lines []int64
	for after := 0; ; {
		page, err := service.Errors(t.Context(), bulk.ErrorFilter{ImportID: id, After: after, Limit: 2})
		require.NoError(t, err)
		for _, e := range page.Items {
			lines, after = append(lines, e.Line), e.Number
		}
		if page.Next.IsZero() {
			break
		}
	}
	require.Equal(t, []int64{2, 3, 4, 5, 6}, lines)
	require.Equal(t, counts{5, 0, 5, 0, 0, 7}, countsOf(b.progress(id)))
	_, err := service.Errors(t.Context(), bulk.ErrorFilter{ImportID: uuid.New(), Limit: 2})
	require.True(t, errs.Is(err, errs.NotFound))
}

func TestOldImportsArePurged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	done := b.imported(importHeader + "nope,Asha,,,,,\n")
	running := b.upload(importHeader + "a@shop.in,Asha,,,,,\n")
	n, err := b.store.PurgeImports(t.Context(), *done.FinishedAt, 10)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = b.store.PurgeImports(t.Context(), time.Now().Add(time.Hour), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Zero(t, b.count("SELECT count(*) FROM import_errors"))
	require.Equal(t, bulk.Running, b.progress(running.ID).State)
}
