// Package nextauth authenticates users of the existing frontend by its own session cookie.
//
// It owns the form of that cookie, which is NextAuth v4's: a JWE that only holders of NEXTAUTH_SECRET
// can make. It never sets, renews or ends such a session; /api/auth/* stays with the frontend. A token
// cannot be revoked before it expires (30 days unless the frontend says otherwise), which is
// NextAuth's design; changing the secret ends all of them.
package nextauth

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	cookieName = "next-auth.session-token"
	// securePrefix stands before the name when the frontend is served by https.
	securePrefix = "__Secure-"
	// keyInfo is what NextAuth v4 mixes into the key of its session cookie. Its other cookies (state,
	// PKCE) have their own names in it, so they do not decrypt here.
	keyInfo = "NextAuth.js Generated Encryption Key"
	// keyBytes is the key length of A256GCM.
	keyBytes = 32
	// issuer: the frontend signs in with Google only, and sub is Google's.
	issuer = "https://accounts.google.com"
	// skew is NextAuth's own tolerance.
	skew = 15 * time.Second
	// minSecret in bytes: a shorter secret can be found by trying, from any cookie and at leisure.
	minSecret = 16
	// maxChunks: NextAuth cuts a cookie into pieces of 3,933 bytes, and browsers keep no more of them
	// for a site than a request header can hold.
	maxChunks = 4
	// maxToken in bytes, before anything is decoded.
	maxToken = maxChunks * 4096
)

// Config says how to read the cookie.
type Config struct {
	// Secret is the frontend's NEXTAUTH_SECRET.
	Secret string
	// SecureOnly believes only the __Secure- cookie. Set it when the frontend is served by https: the
	// other name can be planted by plain http and by sister domains.
	SecureOnly bool
	Roles      auth.RoleMap
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Authenticator authenticates the frontend's session cookie.
type Authenticator struct {
	cfg Config
	key []byte
}

// New makes the authenticator. An error says what is wrong with the configuration.
func New(cfg Config) (*Authenticator, error) {
	if len(cfg.Secret) < minSecret {
		return nil, errs.Errorf(errs.Invalid,
			"NEXTAUTH_SECRET has less than %d bytes: make one with \"openssl rand -base64 32\" and give it to the frontend, too", minSecret)
	}
	if err := cfg.Roles.Validate(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	key, err := hkdf.Key(sha256.New, []byte(cfg.Secret), nil, keyInfo, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive the key of the session cookie: %w", err)
	}
	return &Authenticator{cfg: cfg, key: key}, nil
}

// Authenticate knows the session cookie, whole or in chunks.
func (a *Authenticator) Authenticate(_ context.Context, c auth.Credentials) (auth.Principal, error) {
	token := a.token(c.Cookies)
	if token == "" {
		return auth.Principal{}, auth.ErrNoCredential
	}
	id, err := a.read(token)
	if err != nil {
		return auth.Principal{}, errs.Wrap(errs.Unauthorized, err, "the session is not valid: sign in again")
	}
	p := a.cfg.Roles.Principal(id)
	p.Ambient = true
	return p, nil
}

// token finds the cookie as NextAuth leaves it: the safer name first, whole before in chunks.
func (a *Authenticator) token(cookies map[string]string) string {
	names := []string{securePrefix + cookieName, cookieName}
	if a.cfg.SecureOnly {
		names = names[:1]
	}
	for _, name := range names {
		if whole := cookies[name]; whole != "" {
			return whole
		}
		var b strings.Builder
		for i := range maxChunks {
			chunk := cookies[name+"."+strconv.Itoa(i)]
			if chunk == "" {
				break
			}
			b.WriteString(chunk)
		}
		if b.Len() > 0 {
			return b.String()
		}
	}
	return ""
}

// claims are what NextAuth puts into its token; the frontend has no callback that leaves any out.
type claims struct {
	jwt.Claims
	person
}

type person struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// read decrypts, which proves who made the token, and checks the claims.
func (a *Authenticator) read(token string) (auth.Identity, error) {
	if len(token) > maxToken {
		return auth.Identity{}, fmt.Errorf("token has %d bytes, and %d are allowed", len(token), maxToken)
	}
	t, err := jwt.ParseEncrypted(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		// Not the error itself: it quotes the token.
		return auth.Identity{}, errors.New("not a token encrypted with dir and A256GCM that can be read")
	}
	var c claims
	if err := t.Claims(a.key, &c.Claims, &c.person); err != nil {
		return auth.Identity{}, fmt.Errorf("decrypt: %w", err)
	}
	if c.Expiry == nil {
		return auth.Identity{}, errors.New("exp is missing")
	}
	if err := c.ValidateWithLeeway(jwt.Expected{Time: a.cfg.Now()}, skew); err != nil {
		return auth.Identity{}, err
	}
	id := auth.Identity{
		Issuer: issuer, Subject: c.Subject, Email: auth.Personal(c.Email), Name: auth.Personal(c.Name),
		// The cookie does not say how Google came to know the address. The frontend believes it, and
		// whoever shares its secret has decided to believe the frontend.
		EmailProven: c.Email != "",
	}
	return id, id.Check()
}
