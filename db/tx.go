package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xencrm/xencrm/internal/errs"
)

// Deadlocks and serialisation failures are the price of concurrent writers; every transaction here
// locks in one fixed order, so more than a few in a row means something is wrong.
const maxTxTries = 5

// InTx runs fn in a READ COMMITTED transaction and commits when fn gives nil. fn may run several
// times (after a deadlock or serialisation failure), so it must not have effects of its own outside tx.
//
// A failed COMMIT whose answer was lost gives errs.Unknown: the change may have happened.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	return InTxOptions(ctx, pool, pgx.TxOptions{}, fn)
}

// InTxOptions is InTx with an isolation level and access mode.
func InTxOptions(ctx context.Context, pool *pgxpool.Pool, o pgx.TxOptions, fn func(tx pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := once(ctx, pool, o, fn)
		if err == nil || !isContention(err) || try == maxTxTries {
			return err
		}
		// Jitter keeps two losers from meeting again at once.
		pause := time.Duration(try) * time.Duration(5+rand.IntN(10)) * time.Millisecond
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func once(ctx context.Context, pool *pgxpool.Pool, o pgx.TxOptions, fn func(tx pgx.Tx) error) error {
	tx, err := pool.BeginTx(ctx, o)
	if err != nil {
		return Translate(err)
	}
	returned := false
	defer func() {
		if !returned { // fn panics: whoever recovers must not keep our connection and our locks
			_ = rollback(ctx, tx)
		}
	}()
	err = fn(tx)
	returned = true
	if err != nil {
		if rbErr := rollback(ctx, tx); rbErr != nil {
			return fmt.Errorf("%w (and rollback: %w)", Translate(err), rbErr)
		}
		return Translate(err)
	}
	return commitError(tx.Commit(ctx))
}

// rollback reaches the server also when ctx is what ended the transaction.
func rollback(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		return err
	}
	return nil
}

// commitError tells "refused" from "perhaps done": only an answer of the server is certain.
func commitError(err error) error {
	if err == nil {
		return nil
	}
	if _, answered := errors.AsType[*pgconn.PgError](err); answered {
		return Translate(err)
	}
	if errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pgx.ErrTxClosed) {
		return Translate(err)
	}
	return errs.Wrap(errs.Unknown, err, "the database did not answer the commit; the change may have been made")
}

func isContention(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == codeDeadlock || pgErr.Code == codeSerialization)
}
