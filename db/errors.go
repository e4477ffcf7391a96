package db

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/xencrm/xencrm/internal/errs"
)

// SQLSTATE values that are handled by name; https://www.postgresql.org/docs/15/errcodes-appendix.html
const (
	codeUniqueViolation     = "23505"
	codeForeignKeyViolation = "23503"
	codeSerialization       = "40001"
	codeDeadlock            = "40P01"
	codeLockNotAvailable    = "55P03"
	codeQueryCanceled       = "57014"
)

// Translate gives a driver error its domain code; it is the only place that reads SQLSTATEs.
// An error that carries a code already, and nil, pass unchanged.
func Translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return errs.Wrap(errs.NotFound, err, "not found")
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return translateState(pgErr, err)
	}
	if isConnection(err) {
		return errs.Wrap(errs.Unavailable, err, "the database is away")
	}
	return err
}

func translateState(pgErr *pgconn.PgError, err error) error {
	switch pgErr.Code {
	case codeUniqueViolation:
		return errs.Wrap(errs.Conflict, err, "it exists already")
	case codeForeignKeyViolation:
		return errs.Wrap(errs.Conflict, err, "it is in use, or refers to something that is gone")
	case codeLockNotAvailable, codeQueryCanceled, codeSerialization, codeDeadlock:
		return errs.Wrap(errs.Unavailable, err, "the database is busy")
	}
	switch class := pgErr.Code[:2]; class {
	case "08", "53", "57", "58", "25":
		// Connection, resources, operator intervention (restart, shutdown), I/O, read-only: all heal.
		return errs.Wrap(errs.Unavailable, err, "the database is away")
	case "22", "23":
		return errs.Wrap(errs.Invalid, err, "a value is out of the range that can be stored")
	}
	return errs.Wrap(errs.Internal, err, "database error")
}

func isConnection(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	// pgx reports a connection that died between two uses as plain text only.
	text := err.Error()
	return strings.Contains(text, "conn closed") || strings.Contains(text, "unexpected EOF") ||
		strings.Contains(text, "closed pool") || strings.Contains(text, "connection reset") ||
		strings.Contains(text, "broken pipe")
}
