package master

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// CreateImport begins an import.
func (s *Store) CreateImport(ctx context.Context, id uuid.UUID) error {
	return db.Translate(s.q.CreateImport(ctx, id))
}

// StageImport keeps a batch until it is applied; keeping it again changes nothing. An import that is no
// longer RUNNING gives errs.Conflict.
func (s *Store) StageImport(ctx context.Context, id uuid.UUID, b bulk.Batch) error {
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		is, err := q.ShareImport(ctx, id)
		if err != nil {
			return err
		}
		if err := running(is.State); err != nil {
			return err
		}
		batch := int32(b.Number) //nolint:gosec // two thousand million batches are more than disks hold
		if batch <= is.Batch {
			return nil // it was staged by an earlier try, and is applied by now
		}
		n, err := q.InsertImportBatch(ctx, mastersql.InsertImportBatchParams{
			ImportID: id, Batch: batch,
			//nolint:gosec // a batch has some thousand rows
			RowsRead: int32(b.Read), RowsAccepted: int32(b.Accepted), RowsRefused: int32(b.Refused),
			Errors: int32(b.Faults), Customers: int32(len(b.Rows)), //nolint:gosec // as above
		})
		if err != nil || n == 0 {
			return err
		}
		if _, err := q.CopyImportErrors(ctx, errorParams(id, b.Errors)); err != nil {
			return err
		}
		if _, err := q.CopyImportRows(ctx, rowParams(id, batch, b.Rows)); err != nil {
			return err
		}
		failpoint.Hit(failpoint.ImportBeforeStage)
		return nil
	})
	if err != nil {
		return err
	}
	return failpoint.Err(failpoint.ImportAfterStage)
}

func running(state string) error {
	if state != string(bulk.Running) {
		return errs.Errorf(errs.Conflict, "the import is %s; start another one", state)
	}
	return nil
}

func rowParams(id uuid.UUID, batch int32, rows []bulk.Row) []mastersql.CopyImportRowsParams {
	out := make([]mastersql.CopyImportRowsParams, len(rows))
	for i := range rows {
		r, in := &rows[i], &rows[i].Input
		out[i] = mastersql.CopyImportRowsParams{
			ImportID: id, Batch: batch, Email: in.Email, Name: in.Name,
			CustomerID: pgtype.UUID{Bytes: r.CustomerID, Valid: true}, EventID: pgtype.UUID{Bytes: r.EventID, Valid: true},
			Phone: in.Phone, TotalSpend: numericOf(in.TotalSpend), TotalVisits: in.TotalVisits, LastOrderAt: in.LastOrderAt, Status: in.Status,
		}
	}
	return out
}

func numericOf(d *decimal.Decimal) pgtype.Numeric {
	if d == nil {
		return pgtype.Numeric{}
	}
	return pgtype.Numeric{Int: d.Coefficient(), Exp: d.Exponent(), Valid: true}
}

func errorParams(id uuid.UUID, faults []bulk.RowError) []mastersql.CopyImportErrorsParams {
	out := make([]mastersql.CopyImportErrorsParams, len(faults))
	for i, f := range faults {
		out[i] = mastersql.CopyImportErrorsParams{
			ImportID: id, Number: int32(f.Number), Line: f.Line, //nolint:gosec // up to bulk.MaxErrors
			ColumnName: f.Column, Code: f.Code, Message: f.Message,
		}
	}
	return out
}

// Staged gives how many batches wait to be applied.
func (s *Store) Staged(ctx context.Context, id uuid.UUID) (int, error) {
	r, err := s.q.CountImportBatches(ctx, id)
	if err != nil {
		return 0, db.Translate(err)
	}
	return int(r.Waiting), running(r.State)
}

// BeatImport says that the upload is alive.
func (s *Store) BeatImport(ctx context.Context, id uuid.UUID) error {
	return db.Translate(s.q.BeatImport(ctx, id))
}

// EndUpload says that the whole file is staged; with all of it applied the import is COMPLETED.
func (s *Store) EndUpload(ctx context.Context, id uuid.UUID) error {
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		state, err := q.LockImport(ctx, id)
		if err != nil {
			return err
		}
		if state == string(bulk.Completed) {
			return nil // by an earlier try
		}
		if err := running(state); err != nil {
			return err
		}
		if err := q.MarkUploaded(ctx, id); err != nil {
			return err
		}
		return q.CompleteImport(ctx, id)
	})
	if err != nil {
		return err
	}
	return failpoint.Err(failpoint.ImportAfterUpload)
}

// FailImport drops what is staged and says why. An import that has ended stays as it is.
func (s *Store) FailImport(ctx context.Context, id uuid.UUID, failure string) error {
	return s.inTx(ctx, func(q *mastersql.Queries) error {
		state, err := q.LockImport(ctx, id)
		if err != nil || state != string(bulk.Running) {
			return err
		}
		return failLocked(ctx, q, id, failure)
	})
}

func failLocked(ctx context.Context, q *mastersql.Queries, id uuid.UUID, failure string) error {
	if err := q.FailImport(ctx, mastersql.FailImportParams{ImportID: id, Failure: &failure}); err != nil {
		return err
	}
	if err := q.DropImportRows(ctx, id); err != nil {
		return err
	}
	return q.DropImportBatches(ctx, id)
}

// FailSilent fails imports whose upload has given no sign of life for so long, and gives how many.
func (s *Store) FailSilent(ctx context.Context, silence time.Duration, failure string) (int, error) {
	interval := pgtype.Interval{Microseconds: silence.Microseconds(), Valid: true}
	ids, err := s.q.SilentImports(ctx, interval)
	if err != nil {
		return 0, db.Translate(err)
	}
	failed := 0
	for _, id := range ids {
		err := s.inTx(ctx, func(q *mastersql.Queries) error {
			if _, err := q.LockImport(ctx, id); err != nil {
				return err
			}
			still, err := q.IsSilentImport(ctx, mastersql.IsSilentImportParams{ImportID: id, Silence: interval})
			if err != nil || !still {
				return err
			}
			failed++
			return failLocked(ctx, q, id, failure)
		})
		if err != nil {
			return failed, err
		}
	}
	return failed, nil
}

// PurgeImports deletes up to limit imports that ended before the given time, and gives how many.
func (s *Store) PurgeImports(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.q.PurgeImports(ctx, mastersql.PurgeImportsParams{Before: &before, N: int32(limit)}) //nolint:gosec // a batch size
	return int(n), db.Translate(err)
}

// Import gives one import.
func (s *Store) Import(ctx context.Context, id uuid.UUID) (bulk.Import, error) {
	r, err := s.q.GetImport(ctx, id)
	if err != nil {
		return bulk.Import{}, db.Translate(err)
	}
	out := bulk.Import{
		ID: r.ImportID, State: bulk.State(r.State), Read: r.RowsRead, Stored: r.RowsStored, Refused: r.RowsRefused,
		Created: r.CustomersCreated, Changed: r.CustomersChanged, Errors: r.Errors,
		StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
	}
	if r.Failure != nil {
		out.Failure = *r.Failure
	}
	return out, nil
}

// ImportErrors gives up to f.Limit errors behind f.After, in the order of the file.
func (s *Store) ImportErrors(ctx context.Context, f bulk.ErrorFilter) ([]bulk.RowError, error) {
	rows, err := s.q.ListImportErrors(ctx, mastersql.ListImportErrorsParams{
		ImportID: f.ImportID, After: int32(f.After), N: int32(f.Limit), //nolint:gosec // up to bulk.MaxErrors, and a page
	})
	out := make([]bulk.RowError, len(rows))
	for i, r := range rows {
		out[i] = bulk.RowError{Number: int(r.Number), Line: r.Line, Column: r.ColumnName, Code: r.Code, Message: r.Message}
	}
	return out, db.Translate(err)
}
