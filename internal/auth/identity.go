package auth

import (
	"slices"
	"strings"

	"github.com/xencrm/xencrm/internal/errs"
)

// Identity is a person as an issuer describes one, before we say what the person may do here.
type Identity struct {
	Issuer, Subject string
	Email, Name     Personal
	// EmailProven says that the issuer is in a position to vouch for the address. Without it the
	// address earns no role.
	EmailProven bool
}

// Check refuses an identity that created_by could not hold, or whose subject could be mistaken for
// another one when it is shown.
func (id Identity) Check() error {
	unprintable := strings.ContainsFunc(id.Subject, func(r rune) bool { return r <= ' ' || r > '~' })
	if id.Issuer == "" || id.Subject == "" || unprintable || len(id.ID()) > MaxID {
		return errs.Errorf(errs.Unauthorized, "the issuer names the user in a way that cannot be stored: use another account")
	}
	return nil
}

// ID names the person for ever. Issuers are configured, and only one is Google: without the issuer two
// of them could give the same subject to different people.
func (id Identity) ID() string {
	return "user:" + strings.TrimPrefix(id.Issuer, "https://") + "|" + id.Subject
}

// RoleMap gives roles to people. Its entries are e-mail addresses ("asha@shop.in") or whole domains
// ("@shop.in"), without regard to case.
type RoleMap struct {
	Admins, Editors, Viewers []string
	// Default is the role of everybody else whom the issuer knows. With Google that is everybody
	// with a Google account, so it is best left empty.
	Default Role
}

// Validate checks the entries when the configuration is read: a slip would otherwise lock people out
// in silence, or let a whole domain in.
func (m RoleMap) Validate() error {
	for _, entry := range slices.Concat(m.Admins, m.Editors, m.Viewers) {
		name, domain, ok := strings.Cut(entry, "@")
		if !ok || domain == "" || strings.ContainsAny(name+domain, "@ \t*,") {
			return errs.Errorf(errs.Invalid, "role entry %q: write an address such as asha@shop.in, or a domain such as @shop.in", entry)
		}
	}
	if m.Default != NoRole && !m.Default.Valid() {
		return errs.Errorf(errs.Invalid, "default role %q: use viewer, editor or admin, or leave it empty", m.Default)
	}
	return nil
}

// Principal makes the caller of an identity.
func (m RoleMap) Principal(id Identity) Principal {
	return Principal{
		Kind: User, Issuer: id.Issuer, Subject: id.Subject, Email: id.Email, Name: id.Name, Role: m.role(id),
	}
}

// role prefers the entry of the person to that of the domain, so that one colleague can be given less
// than the others; among equals the higher role counts.
func (m RoleMap) role(id Identity) Role {
	email := strings.ToLower(string(id.Email))
	at := strings.LastIndex(email, "@")
	if !id.EmailProven || at <= 0 {
		return m.Default
	}
	for _, wanted := range []string{email, email[at:]} {
		if role := m.listed(wanted); role != NoRole {
			return role
		}
	}
	return m.Default
}

func (m RoleMap) listed(entry string) Role {
	same := func(s string) bool { return strings.EqualFold(s, entry) }
	switch {
	case slices.ContainsFunc(m.Admins, same):
		return Admin
	case slices.ContainsFunc(m.Editors, same):
		return Editor
	case slices.ContainsFunc(m.Viewers, same):
		return Viewer
	}
	return NoRole
}
