package auth

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// maxKeyName is the width of the column, in characters.
	maxKeyName = 255
	// maxKeyLife bounds what may be asked for: a key that is to live longer does not expire.
	maxKeyLife = 10 * 365 * 24 * time.Hour
)

// KeyInfo is a key as administrators see it.
type KeyInfo struct {
	KeyRecord

	CreatedBy string
	CreatedAt time.Time
	// LastUsedAt is zero for a key that was never used; it is noted about once a minute.
	LastUsedAt time.Time
	RevokedBy  string
}

// KeyAdminStore keeps keys. Keys gives up to limit of them after a position, oldest first. RevokeKey
// gives errs.NotFound for an id that it does not have; revoking again changes nothing.
type KeyAdminStore interface {
	InsertKey(ctx context.Context, k KeyInfo) (KeyInfo, error)
	Keys(ctx context.Context, after cursor.Position, limit int) ([]KeyInfo, error)
	RevokeKey(ctx context.Context, id, by string) (KeyInfo, error)
}

// KeyInput is what somebody says of a new key.
type KeyInput struct {
	Name   string
	Role   Role
	Scopes []Scope
	// ExpiresAt is zero for a key that does not expire.
	ExpiresAt time.Time
}

// KeyAdmin makes, lists and revokes API keys; every door goes through it.
type KeyAdmin struct {
	store KeyAdminStore
	now   func() time.Time
}

// NewKeyAdmin makes the service; now is time.Now outside of tests.
func NewKeyAdmin(store KeyAdminStore, now func() time.Time) *KeyAdmin {
	return &KeyAdmin{store: store, now: now}
}

// Create makes a key and gives it in the clear, once: only its hash is stored.
func (a *KeyAdmin) Create(ctx context.Context, by string, in KeyInput) (Key, KeyInfo, error) {
	in.Name = strings.TrimSpace(in.Name)
	if err := a.check(in); err != nil {
		return Key{}, KeyInfo{}, err
	}
	key := NewKey()
	info, err := a.store.InsertKey(ctx, KeyInfo{
		KeyRecord: KeyRecord{
			ID: key.ID(), Hash: key.Hash(), Name: in.Name, Role: in.Role, Scopes: in.Scopes, ExpiresAt: in.ExpiresAt,
		},
		CreatedBy: by,
	})
	if err != nil {
		return Key{}, KeyInfo{}, err
	}
	return key, info, nil
}

// List gives a page of keys, oldest first, the revoked and the expired ones too.
func (a *KeyAdmin) List(ctx context.Context, after cursor.Position, limit int) (cursor.Page[KeyInfo], error) {
	found, err := a.store.Keys(ctx, after, limit+1)
	if err != nil {
		return cursor.Page[KeyInfo]{}, err
	}
	return cursor.Cut(found, limit, func(k KeyInfo) cursor.Position {
		return cursor.Position{Key: k.CreatedAt.UTC().Format(time.RFC3339Nano) + " " + k.ID}
	}), nil
}

// Revoke ends a key, everywhere within a second. Revoking it again changes nothing.
func (a *KeyAdmin) Revoke(ctx context.Context, by, id string) (KeyInfo, error) {
	if len(id) != keyIDDigits || !lowerHex(id) {
		return KeyInfo{}, errs.Errorf(errs.NotFound, "API key not found")
	}
	info, err := a.store.RevokeKey(ctx, id, by)
	if errs.Is(err, errs.NotFound) {
		return KeyInfo{}, errs.Wrap(errs.NotFound, err, "API key not found")
	}
	return info, err
}

func (a *KeyAdmin) check(in KeyInput) error {
	var faults []errs.Field
	add := func(pointer, text string) { faults = append(faults, errs.Field{Pointer: pointer, Message: text}) }
	if n := utf8.RuneCountInString(in.Name); n < 1 || n > maxKeyName {
		add("/name", "say what the key is for, in 1 to 255 characters")
	}
	if in.Role != NoRole && !in.Role.Valid() {
		add("/role", "must be viewer, editor or admin")
	}
	for _, s := range in.Scopes {
		if !s.Valid() {
			add("/scopes", "must be of ingest and receipts")
		}
	}
	if in.Role == NoRole && len(in.Scopes) == 0 {
		add("/role", "give the key a role or a scope: without either it may do nothing")
	}
	if now := a.now(); !in.ExpiresAt.IsZero() && (!in.ExpiresAt.After(now) || in.ExpiresAt.After(now.Add(maxKeyLife))) {
		add("/expires_at", "must be in the future and within ten years; leave it out for a key that does not expire")
	}
	if len(faults) > 0 {
		// The first one in the text too: the command line shows nothing else.
		first := strings.TrimPrefix(faults[0].Pointer, "/") + ": " + faults[0].Message
		return errs.InvalidFields("the API key cannot be made: "+first, faults)
	}
	return nil
}
