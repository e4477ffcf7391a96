// Package master is the store of the master database, the system of record for customers and orders,
// with the inbox that makes messages count once and the outbox that tells of every change.
//
// It hands out domain values only; rows and SQLSTATEs never leave db. Every exported method is one
// transaction unless it says otherwise. The order of locks is fixed: inbox rows by message id,
// customers by e-mail, then everything that hangs on them.
package master

import (
	"context"
	"embed"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/mastersql"
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
	q    *mastersql.Queries
}

// New makes a store over the pool, which stays the caller's to close.
func New(pool *pgxpool.Pool) *Store { return &Store{pool: pool, q: mastersql.New(pool)} }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return db.Ping(ctx, s.pool) }

// inTx runs fn with queries bound to one transaction; see db.InTx for repeats.
func (s *Store) inTx(ctx context.Context, fn func(q *mastersql.Queries) error) error {
	return db.InTx(ctx, s.pool, func(tx pgx.Tx) error { return fn(s.q.WithTx(tx)) })
}
