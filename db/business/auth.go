package business

import (
	"context"
	"strings"
	"time"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// LookupKey gives a key for the check of a request, and notes now and then that it is used.
func (s *Store) LookupKey(ctx context.Context, id string) (auth.KeyRecord, error) {
	row, err := s.q.GetAPIKey(ctx, id)
	if err != nil {
		return auth.KeyRecord{}, db.Translate(err)
	}
	if err := s.q.NoteAPIKeyUse(ctx, id); err != nil {
		return auth.KeyRecord{}, db.Translate(err)
	}
	return keyOf(row).KeyRecord, nil
}

// InsertKey stores a new key.
func (s *Store) InsertKey(ctx context.Context, k auth.KeyInfo) (auth.KeyInfo, error) {
	scopes := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		scopes[i] = string(scope)
	}
	row, err := s.q.InsertAPIKey(ctx, businesssql.InsertAPIKeyParams{
		KeyID: k.ID, SecretHash: k.Hash[:], Name: k.Name, Role: string(k.Role), Scopes: scopes,
		CreatedBy: k.CreatedBy, ExpiresAt: timePtr(k.ExpiresAt),
	})
	return keyOf(row), db.Translate(err)
}

// Keys gives up to limit keys after a position, oldest first.
func (s *Store) Keys(ctx context.Context, after cursor.Position, limit int) ([]auth.KeyInfo, error) {
	at, id, _ := strings.Cut(after.Key, " ")
	from := time.Time{}
	if at != "" {
		var err error
		if from, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, errs.Errorf(errs.Invalid, "cursor must be that of the page before")
		}
	}
	rows, err := s.q.ListAPIKeys(ctx, businesssql.ListAPIKeysParams{
		After: from, AfterID: id, N: int32(limit), //nolint:gosec // a page of some hundred at most
	})
	out := make([]auth.KeyInfo, len(rows))
	for i, r := range rows {
		out[i] = keyOf(r)
	}
	return out, db.Translate(err)
}

// RevokeKey ends a key; a second revocation changes nothing.
func (s *Store) RevokeKey(ctx context.Context, id, by string) (auth.KeyInfo, error) {
	row, err := s.q.RevokeAPIKey(ctx, businesssql.RevokeAPIKeyParams{KeyID: id, By: by})
	return keyOf(row), db.Translate(err)
}

func keyOf(r businesssql.ApiKey) auth.KeyInfo {
	k := auth.KeyInfo{
		KeyRecord: auth.KeyRecord{
			ID: r.KeyID, Name: r.Name, Role: auth.Role(r.Role), ExpiresAt: timeOf(r.ExpiresAt), RevokedAt: timeOf(r.RevokedAt),
		},
		CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, LastUsedAt: timeOf(r.LastUsedAt),
	}
	copy(k.Hash[:], r.SecretHash)
	for _, scope := range r.Scopes {
		k.Scopes = append(k.Scopes, auth.Scope(scope))
	}
	if r.RevokedBy != nil {
		k.RevokedBy = *r.RevokedBy
	}
	return k
}

// InsertSession stores a session and removes those that are over.
func (s *Store) InsertSession(ctx context.Context, in auth.Session) error {
	if err := s.q.PurgeSessions(ctx); err != nil {
		return db.Translate(err)
	}
	return db.Translate(s.q.InsertSession(ctx, businesssql.InsertSessionParams{
		TicketHash: in.Hash[:], Issuer: in.Identity.Issuer, Subject: in.Identity.Subject,
		Email: string(in.Identity.Email), Name: string(in.Identity.Name), EmailProven: in.Identity.EmailProven,
		SeenAt: in.SeenAt, EndsAt: in.EndsAt,
	}))
}

// FindSession gives a session; errs.NotFound if there is none.
func (s *Store) FindSession(ctx context.Context, h auth.Hash) (auth.Session, error) {
	r, err := s.q.GetSession(ctx, h[:])
	return auth.Session{
		Hash: h, SeenAt: r.SeenAt, EndsAt: r.EndsAt,
		Identity: auth.Identity{
			Issuer: r.Issuer, Subject: r.Subject, Email: auth.Personal(r.Email), Name: auth.Personal(r.Name),
			EmailProven: r.EmailProven,
		},
	}, db.Translate(err)
}

// TouchSession notes that a session is in use; it never goes back.
func (s *Store) TouchSession(ctx context.Context, h auth.Hash, seenAt time.Time) error {
	return db.Translate(s.q.TouchSession(ctx, businesssql.TouchSessionParams{TicketHash: h[:], SeenAt: seenAt}))
}

// DeleteSession ends a session; one that is gone is no error.
func (s *Store) DeleteSession(ctx context.Context, h auth.Hash) error {
	return db.Translate(s.q.DeleteSession(ctx, h[:]))
}

// PutAttempt stores a sign-in on its way and removes those that took too long.
func (s *Store) PutAttempt(ctx context.Context, a auth.Attempt) error {
	if err := s.q.PurgeLoginAttempts(ctx); err != nil {
		return db.Translate(err)
	}
	return db.Translate(s.q.InsertLoginAttempt(ctx, businesssql.InsertLoginAttemptParams{
		TicketHash: a.Hash[:], State: a.State, Nonce: a.Nonce, Verifier: a.Verifier, ReturnTo: a.ReturnTo,
		ExpiresAt: a.ExpiresAt,
	}))
}

// TakeAttempt gives a sign-in and removes it in one step; errs.NotFound if there is none.
func (s *Store) TakeAttempt(ctx context.Context, h auth.Hash) (auth.Attempt, error) {
	r, err := s.q.TakeLoginAttempt(ctx, h[:])
	return auth.Attempt{
		Hash: h, State: r.State, Nonce: r.Nonce, Verifier: r.Verifier, ReturnTo: r.ReturnTo, ExpiresAt: r.ExpiresAt,
	}, db.Translate(err)
}

// BeginEntry writes down that somebody asks for a change.
func (s *Store) BeginEntry(ctx context.Context, e auth.Entry) (int64, error) {
	id, err := s.q.BeginAuditEntry(ctx, businesssql.BeginAuditEntryParams{
		Principal: e.Principal, Operation: e.Operation, Target: e.Target, RequestID: e.RequestID,
	})
	return id, db.Translate(err)
}

// EndEntry writes down what became of it.
func (s *Store) EndEntry(ctx context.Context, id int64, status int) error {
	return db.Translate(s.q.EndAuditEntry(ctx, businesssql.EndAuditEntryParams{
		EntryID: id, Status: int16(status), //nolint:gosec // an HTTP status has three digits
	}))
}

// Entries gives up to limit entries before an id, newest first.
func (s *Store) Entries(ctx context.Context, principal string, before int64, limit int) ([]auth.Entry, error) {
	rows, err := s.q.ListAuditEntries(ctx, businesssql.ListAuditEntriesParams{
		Before: before, Principal: principal, N: int32(limit), //nolint:gosec // a page of some hundred at most
	})
	out := make([]auth.Entry, len(rows))
	for i, r := range rows {
		out[i] = auth.Entry{
			ID: r.EntryID, At: r.At, Principal: r.Principal, Operation: r.Operation, Target: r.Target, RequestID: r.RequestID,
		}
		if r.Status != nil {
			out[i].Status = int(*r.Status)
		}
	}
	return out, db.Translate(err)
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
