package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// applicationName marks the auditor's own sessions, which it does not count as leaked.
	applicationName = "xencrm-check"
	connectTimeout  = 10 * time.Second
	// closeTimeout bounds the goodbye of a session whose context may have ended.
	closeTimeout = 2 * time.Second
)

// connect opens a session that cannot write: the server itself refuses, whoever the user is. Zone and
// date style are fixed, so that texts from two servers compare.
func connect(ctx context.Context, url, what string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("URL of the %s database is not usable: want postgres://user:password@host:port/name", what)
	}
	cfg.ConnectTimeout = connectTimeout
	p := cfg.RuntimeParams
	p["application_name"] = applicationName
	p["timezone"] = "UTC"
	p["datestyle"] = "ISO"
	p["default_transaction_read_only"] = "on"
	p["lock_timeout"] = "10s"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the %s database: %w", what, err)
	}
	return conn, nil
}

func disconnect(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // nothing was written
}

// snapshot runs fn in one transaction that sees the database as it is at its first statement.
func snapshot(ctx context.Context, conn *pgx.Conn, fn func(tx pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin snapshot: %w", err)
	}
	err = fn(tx)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = tx.Rollback(end) // there is nothing to keep
	return err
}

// query is SQL that gives one row, with one text, per violation of an invariant.
type query struct {
	id   string
	text string
	args []any
}

// run adds what the queries find.
func (f *findings) run(ctx context.Context, tx pgx.Tx, queries []query) error {
	for _, q := range queries {
		rows, err := tx.Query(ctx, q.text, q.args...) //nolint:rowserrcheck // pgx.ForEachRow checks it
		if err != nil {
			return fmt.Errorf("%s: %w", q.id, err)
		}
		var text string
		_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
			f.add(q.id, "%s", text)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", q.id, err)
		}
	}
	return nil
}

// count gives the number that the SQL selects.
func count(ctx context.Context, tx pgx.Tx, text string, args ...any) (int, error) {
	var n int
	err := tx.QueryRow(ctx, text, args...).Scan(&n)
	return n, err
}
