package auth

import (
	"context"
	"strconv"
	"time"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// Entry is one line of the audit log: somebody asked for a change. It holds ids and no personal data.
type Entry struct {
	ID int64
	At time.Time
	// Principal is Principal.ID, empty for somebody who is not known.
	Principal string
	// Operation is the operation's id in the API's document, or the tool's name.
	Operation string
	// Target names what was to be changed, as the path or the argument has it.
	Target    string
	RequestID string
	// Status is the HTTP status of the answer; 0 means that the process ended before it was known.
	Status int
}

// AuditWriter writes the audit log. Begin is called before a change is tried and End after it, so that a
// change by a process that died in between is in the log, too.
type AuditWriter interface {
	BeginEntry(ctx context.Context, e Entry) (int64, error)
	EndEntry(ctx context.Context, id int64, status int) error
}

// AuditStore reads the audit log.
type AuditStore interface {
	// Entries gives up to limit entries before that id, newest first; 0 is after the newest.
	Entries(ctx context.Context, principal string, before int64, limit int) ([]Entry, error)
}

// AuditLog shows the audit log.
type AuditLog struct{ store AuditStore }

// NewAuditLog makes the service.
func NewAuditLog(store AuditStore) *AuditLog { return &AuditLog{store: store} }

// List gives a page of the log, newest first, of one principal if it is not empty.
func (l *AuditLog) List(ctx context.Context, principal string, after cursor.Position, limit int) (cursor.Page[Entry], error) {
	before := int64(0)
	if !after.IsZero() {
		var err error
		if before, err = strconv.ParseInt(after.Key, 10, 64); err != nil || before < 1 {
			return cursor.Page[Entry]{}, errs.Errorf(errs.Invalid, "cursor must be that of the page before")
		}
	}
	found, err := l.store.Entries(ctx, principal, before, limit+1)
	if err != nil {
		return cursor.Page[Entry]{}, err
	}
	return cursor.Cut(found, limit, func(e Entry) cursor.Position {
		return cursor.Position{Key: strconv.FormatInt(e.ID, 10)}
	}), nil
}
