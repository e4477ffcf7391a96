package auth

import (
	"log/slog"
	"slices"
)

// Kind says what sort of caller a principal is.
type Kind string

// The kinds of callers.
const (
	// User is a person, known by an ID token, a session or the cookie of the existing frontend.
	User Kind = "user"
	// APIKey is a program.
	APIKey Kind = "key"
	// Nobody is everybody, while authentication is off.
	Nobody Kind = "anonymous"
)

// MaxID is the longest Principal.ID in bytes: the width of created_by and updated_by.
const MaxID = 255

// Principal is an authenticated caller.
type Principal struct {
	Kind Kind
	// Issuer and Subject name a user for ever; an e-mail address may change hands. Both are empty
	// for a key.
	Issuer, Subject string
	// KeyID names the API key, and is empty for a user.
	KeyID string
	// Email and Name are for showing the user to himself and to his colleagues.
	Email, Name Personal
	// Role may be empty: then only the scopes count.
	Role   Role
	Scopes []Scope
	// Ambient is true when the browser added the credential by itself. Such a request may have been
	// forged by another site, so a door must check its origin before it changes anything.
	Ambient bool
}

// ID is what created_by and updated_by store: stable, not personal, and different for every caller.
func (p Principal) ID() string {
	switch p.Kind {
	case Nobody:
		return string(Nobody)
	case APIKey:
		return "key:" + p.KeyID
	case User:
	}
	return Identity{Issuer: p.Issuer, Subject: p.Subject}.ID()
}

// Anonymous is the caller while authentication is off, and may do everything.
func Anonymous() Principal { return Principal{Kind: Nobody, Role: Admin} }

// Allows reports whether the role or one of the scopes grants the permission.
func (p Principal) Allows(wanted Permission) bool {
	if slices.Contains(rolePermissions(p.Role), wanted) {
		return true
	}
	return slices.ContainsFunc(p.Scopes, func(s Scope) bool {
		return slices.Contains(scopePermissions(s), wanted)
	})
}

// LogValue gives what may be logged: ids, never the e-mail address or the name.
func (p Principal) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", p.ID()), slog.String("role", string(p.Role)))
}
