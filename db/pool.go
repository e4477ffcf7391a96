package db

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"github.com/xencrm/xencrm/internal/errs"
)

// PoolOptions tunes one process's connections to one database.
type PoolOptions struct {
	// MaxConns caps the connections of this process; 0 means 16. PostgreSQL's own limit is shared by
	// every process of every role, so this is the number that has to be multiplied out in production.
	MaxConns int32
	// Name is shown as application_name in pg_stat_activity, so that an operator sees who holds a lock.
	Name string
}

const (
	defaultMaxConns = 16
	// A statement that runs longer than this is stuck: the slowest legitimate ones (audience
	// resolution, closing the books of a million rows) set their own limit in their transaction.
	statementTimeout = "30s"
	// A zombie process (SIGSTOP, lost network) must not hold row locks for ever: faults.md B7.
	idleInTxTimeout = "60s"
	// Waiting for a row lock longer than this means that its holder is stuck, not busy.
	lockTimeout = "10s"
	// Establishing a loopback or same-region connection takes milliseconds; this bounds a dead host.
	connectTimeout = 5 * time.Second
)

// Open makes a pool and checks that url is usable; it does not wait for the server.
// Errors name the variable's problem and never contain the password.
func Open(ctx context.Context, dsn string, o PoolOptions) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errs.Errorf(errs.Invalid, "database URL %s is not usable: want postgres://user:password@host:port/name", Redact(dsn))
	}
	cfg.MaxConns = o.MaxConns
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns
	}
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	rp := cfg.ConnConfig.RuntimeParams
	rp["application_name"] = o.Name
	rp["timezone"] = "UTC"
	rp["statement_timeout"] = statementTimeout
	rp["lock_timeout"] = lockTimeout
	rp["idle_in_transaction_session_timeout"] = idleInTxTimeout
	// pgx takes uuid.UUID for a database/sql value, and so by way of its text, both ways: a third of what the
	// receipts' consumer did.
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", Translate(err))
	}
	return pool, nil
}

// Redact gives the URL without its password, for messages and logs.
func Redact(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return "(unreadable)"
	}
	return u.Redacted()
}

// Ping reports whether the database answers within the context's deadline.
func Ping(ctx context.Context, pool *pgxpool.Pool) error { return Translate(pool.Ping(ctx)) }

// Pool is a pool of connections; packages outside db hold one without importing the driver.
type Pool = pgxpool.Pool
