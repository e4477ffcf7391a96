package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return fmt.Errorf("query: %w", &pgconn.PgError{Code: code}) }
	tests := []struct {
		name string
		err  error
		code errs.Code
	}{
		{"NoRows", pgx.ErrNoRows, errs.NotFound},
		{"Unique", state("23505"), errs.Conflict},
		{"ForeignKey", state("23503"), errs.Conflict},
		{"OutOfRange", state("22003"), errs.Invalid},
		{"CheckViolation", state("23514"), errs.Invalid},
		{"Shutdown", state("57P01"), errs.Unavailable},
		{"ReadOnly", state("25006"), errs.Unavailable},
		{"TooManyConnections", state("53300"), errs.Unavailable},
		{"LockTimeout", state("55P03"), errs.Unavailable},
		{"StatementTimeout", state("57014"), errs.Unavailable},
		{"SyntaxIsOurs", state("42601"), errs.Internal},
		{"Deadline", context.DeadlineExceeded, errs.Unavailable},
		{"OwnCodeStays", errs.Errorf(errs.Forbidden, "no"), errs.Forbidden},
		{"AnythingElse", errors.New("x"), errs.Internal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.code, errs.CodeOf(db.Translate(tt.err)))
		})
	}
	require.NoError(t, db.Translate(nil))
}

func TestRedact(t *testing.T) {
	t.Parallel()
	require.NotContains(t, db.Redact("postgres://u:hunter2@h/db"), "hunter2")
	require.NotContains(t, db.Redact("::hunter2"), "hunter2")
	_, err := db.Open(t.Context(), "postgres://u:hunter2@h:notaport/db", db.PoolOptions{})
	require.True(t, errs.Is(err, errs.Invalid))
	require.NotContains(t, err.Error(), "hunter2")
}

func TestInTx(t *testing.T) {
	t.Parallel()

	t.Run("DeadlocksAreRepeated", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.Business(t)
		_, err := pool.Exec(t.Context(), "CREATE TABLE pairs (id int PRIMARY KEY, n int); INSERT INTO pairs VALUES (1, 0), (2, 0)")
		require.NoError(t, err)
		var meet, done sync.WaitGroup
		meet.Add(2)
		for _, order := range [][2]int{{1, 2}, {2, 1}} {
			done.Go(func() {
				first := true
				require.NoError(t, db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
					if _, err := tx.Exec(t.Context(), "UPDATE pairs SET n = n + 1 WHERE id = $1", order[0]); err != nil {
						return err
					}
					if first { // both hold one lock now and want the other's
						first = false
						meet.Done()
						meet.Wait()
					}
					_, err := tx.Exec(t.Context(), "UPDATE pairs SET n = n + 1 WHERE id = $1", order[1])
					return err
				}))
			})
		}
		done.Wait()
		var sum int
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT sum(n) FROM pairs").Scan(&sum))
		require.Equal(t, 4, sum)
	})

	t.Run("AnErrorRollsBack", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.Business(t)
		err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "INSERT INTO suppressions VALUES ('a@b.c', 'x', 'y', now())"); err != nil {
				return err
			}
			return errs.Errorf(errs.Invalid, "no")
		})
		require.True(t, errs.Is(err, errs.Invalid))
		var n int
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM suppressions").Scan(&n))
		require.Zero(t, n)
	})

	t.Run("ACommitWithoutAnswerIsUnknown", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.Business(t)
		err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			// The connection dies under the transaction, so the commit gets no answer.
			return tx.Conn().PgConn().Conn().Close()
		})
		require.True(t, errs.Is(err, errs.Unknown), "got %v", err)
	})

	t.Run("PanicKeepsNoConnection", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.Business(t)
		require.Panics(t, func() {
			_ = db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), "CREATE TABLE of_a_panic (n int)")
				require.NoError(t, err)
				panic("a bug")
			})
		})
		require.Zero(t, pool.Stat().AcquiredConns(), "a recovered panic must not keep a connection and its locks")
		_, err := pool.Exec(t.Context(), "CREATE TABLE of_a_panic (n int)")
		require.NoError(t, err, "nothing of it was committed")
	})
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := dbtest.BusinessURL(t)

	t.Run("ASecondRunChangesNothing", func(t *testing.T) {
		n, err := db.Migrate(t.Context(), url, business.Migrations())
		require.NoError(t, err)
		require.Zero(t, n)
		require.NoError(t, db.CheckSchema(t.Context(), url, business.Migrations()))
	})

	t.Run("AnOldSchemaIsRefused", func(t *testing.T) {
		pool, err := db.Open(t.Context(), url, db.PoolOptions{})
		require.NoError(t, err)
		defer pool.Close()
		_, err = pool.Exec(t.Context(), "DELETE FROM goose_db_version WHERE version_id > 0")
		require.NoError(t, err)
		require.ErrorContains(t, db.CheckSchema(t.Context(), url, business.Migrations()), "xencrm migrate")
	})
}
