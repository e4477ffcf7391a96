// Package business is the store of the business database: segments, campaigns, the message ledger
// with its receipts and books, and the projection customers_mv.
//
// It hands out domain values only; rows and SQLSTATEs never leave db. Every exported method is one
// transaction. The order of locks is fixed: erased_addresses, campaign row, ledger rows by id, books by
// campaign id.
package business

import (
	"context"
	"embed"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the schema's steps for db.Migrate.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded above, so this cannot happen at run time
	}
	return sub
}

// Store is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	q    *businesssql.Queries
}

// New makes a store over the pool, which stays the caller's to close.
func New(pool *pgxpool.Pool) *Store { return &Store{pool: pool, q: businesssql.New(pool)} }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return db.Ping(ctx, s.pool) }

// inTx runs fn with queries bound to one transaction; see db.InTx for repeats.
func (s *Store) inTx(ctx context.Context, fn func(tx pgx.Tx, q *businesssql.Queries) error) error {
	return db.InTx(ctx, s.pool, func(tx pgx.Tx) error { return fn(tx, s.q.WithTx(tx)) })
}

// deref gives the value or the zero value.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// optional gives nil for the zero value, so that it is stored as NULL.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
