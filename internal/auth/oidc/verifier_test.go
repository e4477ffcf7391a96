package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/auth/oidc"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestVerifier(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		claims map[string]any
		want   auth.Role
	}{
		{"KnowsAWorkspaceUser", goodClaims(), auth.Editor},
		{"KnowsGoogleByItsBareName", with("iss", "accounts.google.com"), auth.Editor},
		{"TakesTheAudienceAsAList", with("aud", []string{clientID}), auth.Editor},
		{"TakesAnotherAudienceWhenAzpIsOurs", with("aud", []string{"else", clientID}), auth.Editor},
		{"NeedsNoAzpForOneAudience", with("azp", nil), auth.Editor},
		{"TakesOurOtherClient", with("aud", "cli.apps.example"), auth.Editor},
		{"ToleratesAClockThatIsBehind", with("exp", start.Add(-59*time.Second).Unix()), auth.Editor},
		{"ToleratesAClockThatIsAhead", with("iat", start.Add(59*time.Second).Unix()), auth.Editor},
		{"BelievesGoogleAboutGmail", with("email", "boss@gmail.com"), auth.Admin},
		{"GivesNoRoleForAnAddressGoogleDoesNotManage", with("hd", nil), auth.NoRole},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newIssuer(t).verifier(func(c *oidc.Config) {
				c.OtherClientIDs = []string{"cli.apps.example"}
				c.Roles = auth.RoleMap{Editors: []string{"@shop.in"}, Admins: []string{"boss@gmail.com"}}
			})
			p, err := v.Authenticate(t.Context(), auth.Credentials{Bearer: good(t, tt.claims)})
			require.NoError(t, err)
			require.Equal(t, auth.User, p.Kind)
			require.Equal(t, "user:accounts.google.com|108912345678901234567", p.ID())
			require.Equal(t, tt.want, p.Role)
			require.False(t, p.Ambient)
		})
	}

	t.Run("KnowsAnotherIssuer", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		i.name = "https://id.example/realms/shop"
		i.server.Config.Handler = stripRealm(i.server.Config.Handler)
		c := with("iss", i.name)
		delete(c, "hd")
		p, err := i.verifier(func(c *oidc.Config) { c.Roles.Viewers = []string{"@shop.in"} }).
			Authenticate(t.Context(), auth.Credentials{Bearer: good(t, c)})
		require.NoError(t, err)
		require.Equal(t, "user:id.example/realms/shop|108912345678901234567", p.ID())
		require.Equal(t, auth.Viewer, p.Role, "email_verified is all that other issuers say")
	})

	t.Run("LeavesOtherCredentialsToOthers", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		for _, bearer := range []string{"", auth.NewKey().Reveal()} {
			_, err := i.verifier().Authenticate(t.Context(), auth.Credentials{Bearer: bearer})
			require.ErrorIs(t, err, auth.ErrNoCredential)
		}
		require.Zero(t, i.fetches())
	})

	t.Run("NeverAsksTokeninfo", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t) // its transport refuses every other host, and its server every other path
		_, err := i.verifier().Verify(t.Context(), good(t, goodClaims()))
		require.NoError(t, err)
		require.Equal(t, 1, i.fetches())
	})
}

// forgery is a token that must be refused, although the part that is wrong is the only one.
type forgery struct {
	name  string
	token func(*testing.T) string
}

// forgedClaims are signed by the issuer's key, for somebody or something else.
//
//nolint:thelper // the makers of a table
func forgedClaims() []forgery {
	claim := func(name string, value any) func(*testing.T) string {
		return func(t *testing.T) string { return good(t, with(name, value)) }
	}
	return []forgery{
		{"AudienceOther", claim("aud", "else")},
		{"AudienceMissing", claim("aud", nil)},
		{"AudienceEmpty", claim("aud", "")},
		{"AudienceLonger", claim("aud", clientID+".evil.example")},
		{"AudienceListWithOtherAzp", func(t *testing.T) string {
			c := with("aud", []string{clientID, "else"})
			c["azp"] = "else"
			return good(t, c)
		}},
		{"AudienceListWithoutAzp", func(t *testing.T) string {
			c := with("aud", []string{clientID, "else"})
			delete(c, "azp")
			return good(t, c)
		}},
		{"AzpOther", claim("azp", "else")},
		{"IssuerOther", claim("iss", "https://evil.example")},
		{"IssuerMissing", claim("iss", nil)},
		{"IssuerWithSlash", claim("iss", "https://accounts.google.com/")},
		{"IssuerWithSuffix", claim("iss", "https://accounts.google.com.evil.example")},
		{"IssuerByHTTP", claim("iss", "http://accounts.google.com")},
		{"IssuerInCapitals", claim("iss", "https://Accounts.Google.com")},
		{"Expired", claim("exp", start.Add(-61*time.Second).Unix())},
		{"ExpiryMissing", claim("exp", nil)},
		{"ExpiryNull", func(t *testing.T) string {
			c := goodClaims()
			c["exp"] = nil
			return good(t, c)
		}},
		{"ExpiryText", claim("exp", "tomorrow")},
		{"NotBeforeInFuture", claim("nbf", start.Add(61*time.Second).Unix())},
		{"IssuedInFuture", claim("iat", start.Add(61*time.Second).Unix())},
		{"IssuedMissing", claim("iat", nil)},
		{"EmailNotVerified", claim("email_verified", false)},
		{"EmailVerifiedMissing", claim("email_verified", nil)},
		{"EmailVerifiedText", claim("email_verified", "true")},
		{"EmailMissing", claim("email", nil)},
		{"HostedDomainMissing", claim("hd", nil)},
		{"HostedDomainOther", claim("hd", "evil.example")},
		{"HostedDomainLonger", claim("hd", "evilshop.in")},
		{"SubjectMissing", claim("sub", nil)},
		{"SubjectTooLong", claim("sub", strings.Repeat("7", 256))},
		{"SubjectWithNewline", claim("sub", "7\n8")},
		{"AccessTokenByClaim", claim("typ", "Bearer")},
	}
}

// forgedHeaders carry good claims under a bad header or signature.
//
//nolint:thelper // the makers of a table
func forgedHeaders() []forgery {
	header := func(h map[string]any) func(*testing.T) string {
		return func(t *testing.T) string { return sign(t, jose.RS256, keyA(), h, goodClaims()) }
	}
	return []forgery{
		{"AlgNone", func(t *testing.T) string { return raw(t, map[string]any{"alg": "none", "kid": "a"}, goodClaims(), "") }},
		{"AlgNoneWithSignature", func(t *testing.T) string {
			return raw(t, map[string]any{"alg": "none", "kid": "a"}, goodClaims(), "c2ln")
		}},
		{"AlgNoneInCapitals", func(t *testing.T) string {
			return raw(t, map[string]any{"alg": "nOnE", "kid": "a"}, goodClaims(), "c2ln")
		}},
		{"HS256WithThePublicKey", hs256},
		{"ES256", func(t *testing.T) string {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			return sign(t, jose.ES256, key, map[string]any{"kid": "ec"}, goodClaims())
		}},
		{"RS512WithTheRightKey", func(t *testing.T) string {
			return sign(t, jose.RS512, keyA(), map[string]any{"kid": "a"}, goodClaims())
		}},
		{"PS256WithTheRightKey", func(t *testing.T) string {
			return sign(t, jose.PS256, keyA(), map[string]any{"kid": "a"}, goodClaims())
		}},
		{"WrongKeySameKid", func(t *testing.T) string {
			return sign(t, jose.RS256, keyB(), map[string]any{"kid": "a"}, goodClaims())
		}},
		{"ShortKeyOfTheSet", func(t *testing.T) string {
			return sign(t, jose.RS256, shortKey(), map[string]any{"kid": "short"}, goodClaims())
		}},
		{"KidUnknown", header(map[string]any{"kid": "zzz"})},
		{"KidMissing", header(nil)},
		{"KidEmpty", header(map[string]any{"kid": ""})},
		{"KidPath", header(map[string]any{"kid": "../../../../dev/null"})},
		{"KidSQL", header(map[string]any{"kid": "a' OR '1'='1"})},
		{"EmbeddedKey", func(t *testing.T) string {
			opts := &jose.SignerOptions{EmbedJWK: true}
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: keyB(), KeyID: "a"}}, opts)
			require.NoError(t, err)
			obj, err := signer.Sign([]byte(claimsText(t)))
			require.NoError(t, err)
			token, err := obj.CompactSerialize()
			require.NoError(t, err)
			return token
		}},
		{"KeyURL", header(map[string]any{"kid": "a", "jku": "https://evil.example/keys"})},
		{"CertificateURL", header(map[string]any{"kid": "a", "x5u": "https://evil.example/cert"})},
		{"CriticalExtension", header(map[string]any{"kid": "a", "crit": []string{"exp"}, "exp": 1})},
		{"AccessTokenByHeader", header(map[string]any{"kid": "a", "typ": "at+jwt"})},
	}
}

// forgedShapes are good tokens that something happened to.
//
//nolint:thelper // the makers of a table
func forgedShapes() []forgery {
	change := func(f func(string) string) func(*testing.T) string {
		return func(t *testing.T) string { return f(good(t, goodClaims())) }
	}
	return []forgery{
		{"OpaqueAccessToken", change(func(string) string { return "ya29.a0AfH6SMBx" })},
		{"Truncated", change(func(s string) string { return s[:len(s)-10] })},
		{"WithoutSignature", change(func(s string) string { return s[:strings.LastIndex(s, ".")+1] })},
		{"TwoSegments", change(func(s string) string { return s[:strings.LastIndex(s, ".")] })},
		{"ExtraSegment", change(func(s string) string { return s + ".e30" })},
		{"SpaceBefore", change(func(s string) string { return " " + s })},
		{"SpaceAfter", change(func(s string) string { return s + " " })},
		{"NewlineInside", change(func(s string) string { return s[:20] + "\n" + s[20:] })},
		{"NewlineAfter", change(func(s string) string { return s + "\n" })},
		{"Padding", change(func(s string) string { return s + "=" })},
		{"JSONSerialisation", change(func(s string) string {
			p := strings.Split(s, ".")
			return `{"protected":"` + p[0] + `","payload":"` + p[1] + `","signature":"` + p[2] + `"}`
		})},
		{"ChangedClaims", change(func(s string) string {
			p := strings.Split(s, ".")
			return p[0] + "." + p[1][:len(p[1])-4] + "AAAA." + p[2]
		})},
		{"OneMebibyte", func(t *testing.T) string { return good(t, with("pad", strings.Repeat("x", 1<<20))) }},
		{"OneMebibyteOfDots", func(*testing.T) string { return strings.Repeat(".", 1<<20) }},
	}
}

func hs256(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&keyA().PublicKey)
	require.NoError(t, err)
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return sign(t, jose.HS256, secret, map[string]any{"kid": "a"}, goodClaims())
}

//nolint:thelper // the makers of a table
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := newIssuer(t)
	i.change(func(i *issuer) {
		i.keys["ec"], i.keys["short"] = &ec.PublicKey, &shortKey().PublicKey
	})
	v := i.verifier(func(c *oidc.Config) {
		c.HostedDomains = []string{"shop.in"}
		c.Roles.Admins = []string{"asha@shop.in"}
	})
	_, err = v.Verify(t.Context(), good(t, goodClaims()))
	require.NoError(t, err, "the token that all others are made from is good")

	// ES256 must fail although the issuer has that very key.
	all := append(forgedClaims(), forgery{"ES256WithAKeyOfTheSet", func(t *testing.T) string {
		return sign(t, jose.ES256, ec, map[string]any{"kid": "ec"}, goodClaims())
	}})
	all = append(append(all, forgedHeaders()...), forgedShapes()...)
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token := tt.token(t)
			p, err := v.Authenticate(t.Context(), auth.Credentials{Bearer: token})
			require.Equal(t, errs.Unauthorized, errs.CodeOf(err), "%v", err)
			require.NotErrorIs(t, err, auth.ErrNoCredential)
			require.Equal(t, auth.Principal{}, p)
			shown, ok := err.(*errs.Error) //nolint:errorlint // the outermost one is what a door shows
			require.True(t, ok)
			require.Equal(t, "the ID token is not valid here: sign in again", shown.Text, "it says no more to a forger")
			if len(token) > 40 {
				require.NotContains(t, err.Error(), token[len(token)-20:], "a token in a log is a token lost")
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	tests := map[string]oidc.Config{
		"NoClientID":          {},
		"EmptyOtherClientID":  {ClientID: "c", OtherClientIDs: []string{""}},
		"EmptyHostedDomain":   {ClientID: "c", HostedDomains: []string{""}},
		"IssuerByHTTP":        {ClientID: "c", Issuer: "http://id.example"},
		"IssuerNoURL":         {ClientID: "c", Issuer: "accounts.google.com"},
		"IssuerWithUser":      {ClientID: "c", Issuer: "https://u:p@id.example"},
		"RoleThatIsNoAddress": {ClientID: "c", Roles: auth.RoleMap{Admins: []string{"boss"}}},
	}
	for name, cfg := range tests {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			_, err := oidc.New(cfg)
			require.Equal(t, errs.Invalid, errs.CodeOf(err))
		})
	}

	t.Run("DefaultsToGoogle", func(t *testing.T) {
		t.Parallel()
		c := oidc.Config{ClientID: "c"}
		c.ApplyDefaults()
		require.Equal(t, "https://accounts.google.com", c.Issuer)
		require.NoError(t, c.Validate())
	})

	t.Run("TakesADevelopmentIssuerOnLoopback", func(t *testing.T) {
		t.Parallel()
		for _, issuer := range []string{"http://127.0.0.1:8081", "http://localhost:8081", "http://[::1]:8081"} {
			_, err := oidc.New(oidc.Config{ClientID: "c", Issuer: issuer})
			require.NoError(t, err)
		}
	})
}
