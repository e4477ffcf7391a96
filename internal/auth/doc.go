// Package auth says who a caller is and what the caller may do.
//
// It owns the Principal, the table of roles, scopes and permissions, API keys (their form, their hash,
// their check), browser sessions, the mapping of e-mail addresses to roles, and the ports for all that
// has to be stored. It does not read requests, set cookies, write SQL or log: the doors turn a request
// into Credentials and a refusal into a status, db implements the ports. ID tokens are checked in
// auth/oidc, the cookie of the existing frontend in auth/nextauth.
package auth
