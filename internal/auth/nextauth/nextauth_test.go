package nextauth_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/auth/nextauth"
	"github.com/xencrm/xencrm/internal/errs"
)

const cookieName = "next-auth.session-token"

// made is a cookie that next-auth itself made.
type made struct {
	Secret string `json:"secret"`
	Token  string `json:"token"`
	Claims struct {
		Name  string `json:"name"`
		Email string `json:"email"`
		Sub   string `json:"sub"`
	} `json:"claims"`
}

func fixture(t *testing.T) made {
	t.Helper()
	raw, err := os.ReadFile("testdata/next-auth-4.24.11.json")
	require.NoError(t, err)
	var m made
	require.NoError(t, json.Unmarshal(raw, &m))
	return m
}

// at is a clock by which the fixture, whose token lives for 30 days, is valid or over.
func authenticator(t *testing.T, secret string, now time.Time, change ...func(*nextauth.Config)) *nextauth.Authenticator {
	t.Helper()
	cfg := nextauth.Config{
		Secret: secret, Roles: auth.RoleMap{Editors: []string{"@shop.in"}}, Now: func() time.Time { return now },
	}
	for _, c := range change {
		c(&cfg)
	}
	a, err := nextauth.New(cfg)
	require.NoError(t, err)
	return a
}

func cookies(pairs ...string) auth.Credentials {
	c := auth.Credentials{Cookies: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		c.Cookies[pairs[i]] = pairs[i+1]
	}
	return c
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	m := fixture(t)
	issued := issuedAt(t, m)

	t.Run("KnowsTheUserOfACookieThatNextAuthMade", func(t *testing.T) {
		t.Parallel()
		p, err := authenticator(t, m.Secret, issued).Authenticate(t.Context(), cookies(cookieName, m.Token))
		require.NoError(t, err)
		require.Equal(t, auth.Editor, p.Role)
		require.Equal(t, m.Claims.Sub, p.Subject)
		require.Equal(t, m.Claims.Email, string(p.Email))
		require.Equal(t, "user:accounts.google.com|"+m.Claims.Sub, p.ID())
		require.True(t, p.Ambient, "a browser adds it by itself")
	})

	t.Run("ReadsItInChunks", func(t *testing.T) {
		t.Parallel()
		half := len(m.Token) / 2
		p, err := authenticator(t, m.Secret, issued).Authenticate(t.Context(),
			cookies(cookieName+".0", m.Token[:half], cookieName+".1", m.Token[half:]))
		require.NoError(t, err)
		require.Equal(t, m.Claims.Sub, p.Subject)
	})

	t.Run("BehindHttpsOnlyTheSecureCookieCounts", func(t *testing.T) {
		t.Parallel()
		a := authenticator(t, m.Secret, issued, func(c *nextauth.Config) { c.SecureOnly = true })
		_, err := a.Authenticate(t.Context(), cookies(cookieName, m.Token))
		require.ErrorIs(t, err, auth.ErrNoCredential)
		_, err = a.Authenticate(t.Context(), cookies("__Secure-"+cookieName, m.Token))
		require.NoError(t, err)
	})

	t.Run("RefusesWhatIsNotItsOwn", func(t *testing.T) {
		t.Parallel()
		part := strings.Split(m.Token, ".")
		flip := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r == 'A' {
					return 'B'
				}
				return r
			}, s)
		}
		header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		for name, bad := range map[string]string{
			"another secret's":  "",
			"changed text":      strings.Join([]string{part[0], part[1], part[2], flip(part[3]), part[4]}, "."),
			"changed tag":       strings.Join([]string{part[0], part[1], part[2], part[3], strings.Repeat("A", 22)}, "."),
			"another algorithm": strings.Join([]string{header(`{"alg":"dir","enc":"A128GCM"}`), part[1], part[2], part[3], part[4]}, "."),
			"signed only":       header(`{"alg":"none"}`) + "." + header(`{"sub":"1"}`) + ".",
			"cut off":           m.Token[:len(m.Token)/2],
			"not a token":       "x",
			"endless":           strings.Repeat("x", 1<<20),
		} {
			secret := m.Secret
			if bad == "" {
				bad, secret = m.Token, "another-secret-of-some-length"
			}
			_, err := authenticator(t, secret, issued).Authenticate(t.Context(), cookies(cookieName, bad))
			require.True(t, errs.Is(err, errs.Unauthorized), "%s gave %v", name, err)
			require.NotErrorIs(t, err, auth.ErrNoCredential, name)
			require.NotContains(t, err.Error(), m.Token, name)
		}
	})

	t.Run("RefusesOneThatIsOver", func(t *testing.T) {
		t.Parallel()
		_, err := authenticator(t, m.Secret, issued.Add(31*24*time.Hour)).Authenticate(t.Context(), cookies(cookieName, m.Token))
		require.True(t, errs.Is(err, errs.Unauthorized), "got %v", err)
	})

	t.Run("LeavesOtherCookiesToOthers", func(t *testing.T) {
		t.Parallel()
		_, err := authenticator(t, m.Secret, issued).Authenticate(t.Context(), cookies("other", "x"))
		require.ErrorIs(t, err, auth.ErrNoCredential)
	})
}

func TestAShortSecretIsRefused(t *testing.T) {
	t.Parallel()
	_, err := nextauth.New(nextauth.Config{Secret: "short"})
	require.True(t, errs.Is(err, errs.Invalid), "got %v", err)
}

// issuedAt finds a moment at which the fixture is valid: when it was made is inside of it.
func issuedAt(t *testing.T, m made) time.Time {
	t.Helper()
	for day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2035; day = day.AddDate(0, 0, 20) {
		_, err := authenticator(t, m.Secret, day).Authenticate(t.Context(), cookies(cookieName, m.Token))
		if err == nil {
			return day
		}
	}
	t.Fatal("the fixture is valid at no time")
	return time.Time{}
}
