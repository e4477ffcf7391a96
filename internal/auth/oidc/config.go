package oidc

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// GoogleIssuer is the default issuer.
	GoogleIssuer = "https://accounts.google.com"
	// googleBareIssuer is how some of Google's tokens spell it.
	googleBareIssuer = "accounts.google.com"
)

// Config says whom to believe.
type Config struct {
	// Issuer is compared to the letter; GoogleIssuer if empty.
	Issuer string
	// ClientID is our name at the issuer, and the audience of the tokens it makes for us. There is no
	// default and no way to skip it: a token made for somebody else's site is a valid token, too.
	ClientID string
	// OtherClientIDs are further audiences, such as a command-line tool's.
	OtherClientIDs []string
	// HostedDomains, if not empty, are the Google Workspace domains whose members may come in.
	HostedDomains []string
	Roles         auth.RoleMap
	// Transport reaches the issuer; http.DefaultTransport if nil.
	Transport http.RoundTripper
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// ApplyDefaults fills what was left empty.
func (c *Config) ApplyDefaults() {
	if c.Issuer == "" {
		c.Issuer = GoogleIssuer
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Validate says what is missing, in words for the person who configures it.
func (c *Config) Validate() error {
	if c.ClientID == "" || slices.Contains(c.OtherClientIDs, "") {
		return errs.Errorf(errs.Invalid, "OIDC client id is empty: give the client id that the issuer made for this installation")
	}
	if !safeURL(c.Issuer) {
		return errs.Errorf(errs.Invalid, "OIDC issuer %q: give an https URL (http only on loopback)", c.Issuer)
	}
	if slices.Contains(c.HostedDomains, "") {
		return errs.Errorf(errs.Invalid, "OIDC hosted domains: remove the empty entry")
	}
	return c.Roles.Validate()
}

// google reports whether Google's own rules apply.
func (c *Config) google() bool { return c.Issuer == GoogleIssuer }

// ours reports whether a client id is one of ours.
func (c *Config) ours(clientID string) bool {
	return clientID == c.ClientID || slices.Contains(c.OtherClientIDs, clientID)
}

// safeURL wants https: whoever can change the issuer's answers on the way can sign in as anybody.
// Plain http stays possible for a development issuer on this machine.
func safeURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return strings.EqualFold(u.Scheme, "https") || strings.EqualFold(u.Scheme, "http") && loopback
}
