package db

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the database/sql driver that goose needs
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/xencrm/xencrm/internal/errs"
)

// Migrate brings the schema up to date. Two nodes may run it at once: a session lock lets one work
// while the other waits, and a second run changes nothing. It gives the number of steps applied.
func Migrate(ctx context.Context, dsn string, migrations fs.FS) (int, error) {
	p, closeDB, err := provider(dsn, migrations)
	if err != nil {
		return 0, err
	}
	defer closeDB()
	results, err := p.Up(ctx)
	if err != nil {
		return len(results), fmt.Errorf("migrate: %w", Translate(err))
	}
	return len(results), nil
}

// CheckSchema refuses a schema that is older or newer than this binary's migrations.
func CheckSchema(ctx context.Context, dsn string, migrations fs.FS) error {
	p, closeDB, err := provider(dsn, migrations)
	if err != nil {
		return err
	}
	defer closeDB()
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", Translate(err))
	}
	if have != want {
		return errs.Errorf(errs.Conflict, "database schema is at version %d, this binary needs %d: run `xencrm migrate`", have, want)
	}
	return nil
}

func provider(dsn string, migrations fs.FS) (*goose.Provider, func(), error) {
	conn, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, nil, errs.Errorf(errs.Invalid, "database URL %s is not usable", Redact(dsn))
	}
	closeDB := func() { _ = conn.Close() } // nothing is pending on it, a close error says nothing
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		closeDB()
		return nil, nil, fmt.Errorf("migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, conn, migrations, goose.WithSessionLocker(locker))
	if err != nil {
		closeDB()
		return nil, nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, closeDB, nil
}
