package master

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// ApplyImport makes customers of the next staged batch of one import that nobody else is at: in one
// transaction the customers, the outbox rows that tell of them, the progress of the import, and the end
// of the batch. It gives the import's id, uuid.Nil when nothing is staged; with an error the id is that
// of the import that met it.
//
// The rows are written by statements over whole batches, not by customer.Post: TestImportsEqualPosts
// holds the two against each other. The order of locks is that of every writer, behind the import's
// own row, which writers of customers do not touch.
func (s *Store) ApplyImport(ctx context.Context) (uuid.UUID, error) {
	var id uuid.UUID
	err := s.race(ctx, func(q *mastersql.Queries) error {
		var err error
		id, err = q.ClaimImport(ctx)
		if errors.Is(err, pgx.ErrNoRows) {
			id = uuid.Nil
			return nil
		}
		if err != nil {
			return err
		}
		b, err := q.NextImportBatch(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // somebody applied it between the look and the lock
		}
		if err != nil {
			return err
		}
		return applyBatch(ctx, q, &b)
	})
	if err != nil || id == uuid.Nil {
		return id, err
	}
	return id, failpoint.Err(failpoint.ImportAfterApply)
}

func applyBatch(ctx context.Context, q *mastersql.Queries, b *mastersql.ImportBatch) error {
	// A plan made while the tables were empty would read all customers for every batch.
	if err := q.PlanEachTime(ctx); err != nil {
		return err
	}
	done, err := applyRows(ctx, q, b)
	if err != nil {
		return err
	}
	err = q.DeleteImportRows(ctx, mastersql.DeleteImportRowsParams{ImportID: b.ImportID, Batch: b.Batch})
	if err != nil {
		return err
	}
	err = q.DeleteImportBatch(ctx, mastersql.DeleteImportBatchParams{ImportID: b.ImportID, Batch: b.Batch})
	if err != nil {
		return err
	}
	err = q.CountImported(ctx, mastersql.CountImportedParams{
		ImportID: b.ImportID, Batch: b.Batch, RowsRead: b.RowsRead, RowsAccepted: b.RowsAccepted, RowsRefused: b.RowsRefused,
		Errors: b.Errors, Created: done.Created, Changed: done.Changed,
	})
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.ImportBeforeApply)
	return q.CompleteImport(ctx, b.ImportID)
}

// applyRows locks the customers that exist, changes them, and makes the others.
func applyRows(ctx context.Context, q *mastersql.Queries, b *mastersql.ImportBatch) (mastersql.ApplyImportedRow, error) {
	var done mastersql.ApplyImportedRow
	locked, err := q.LockImported(ctx, mastersql.LockImportedParams{ImportID: b.ImportID, Batch: b.Batch})
	if err != nil {
		return done, err
	}
	envelope, err := openEnvelope()
	if err != nil {
		return done, err
	}
	done, err = q.ApplyImported(ctx, mastersql.ApplyImportedParams{
		ImportID: b.ImportID, Batch: b.Batch, Locked: locked,
		EventType: event.TypeCustomerMVUpsert, Exchange: event.ExchangeIngestion, RoutingKey: event.KeyCustomerMV,
		Envelope: envelope,
	})
	if errs.Is(db.Translate(err), errs.Conflict) {
		err = errRaced // somebody has just made one of them, who is to be changed now
	}
	return done, err
}

// openEnvelope gives the envelope of the events up to their data.
func openEnvelope() (string, error) {
	const data = "null"
	whole, err := json.Marshal(event.Envelope{
		EventType: event.TypeCustomerMVUpsert, SchemaVersion: event.SchemaVersion, Timestamp: time.Now().UTC(),
		Source: event.SourceCustomerImport, Data: json.RawMessage(data),
	})
	if err != nil {
		return "", fmt.Errorf("encode envelope: %w", err)
	}
	return strings.TrimSuffix(string(whole), data+"}"), nil
}
