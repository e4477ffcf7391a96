// Package oidc checks ID tokens of one OpenID Connect issuer, and signs browsers in with it.
//
// It owns the checks of an ID token, the cache of the issuer's keys, the authorization code flow with
// PKCE, and the form of our cookies. It does not serve routes, keep sessions (auth.Sessions) or store
// anything: AttemptStore is a port. Discovery and the code exchange are those of go-oidc and oauth2.
// The verifier is our own on top of go-jose, because that of go-oidc fetches keys for every unknown
// kid, ignores Cache-Control, and hides an unreachable issuer among the forged tokens.
package oidc
