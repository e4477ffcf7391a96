package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/auth/oidc"
	"github.com/xencrm/xencrm/internal/errs"
)

// attempts keeps sign-ins in memory.
type attempts struct {
	mu   sync.Mutex
	kept map[auth.Hash]auth.Attempt
}

func (s *attempts) PutAttempt(_ context.Context, a auth.Attempt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[a.Hash] = a
	return nil
}

func (s *attempts) TakeAttempt(_ context.Context, h auth.Hash) (auth.Attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.kept[h]
	delete(s.kept, h)
	if !ok {
		return a, errs.Errorf(errs.NotFound, "no attempt")
	}
	return a, nil
}

// flow is a sign-in that the issuer is ready to finish.
type flow struct {
	issuer *issuer
	login  *oidc.Login
	ticket auth.Ticket
	// sent are the parameters that the browser was sent to the issuer with.
	sent url.Values
	// claims are those of the ID token that the code gives; asked is what came with the code.
	claims map[string]any
	asked  url.Values
}

func begin(t *testing.T, returnTo string) *flow {
	t.Helper()
	f := &flow{issuer: newIssuer(t), claims: goodClaims()}
	var err error
	f.login, err = oidc.NewLogin(f.issuer.verifier(), oidc.LoginConfig{
		ClientSecret: "s3cret", RedirectURL: "https://crm.shop.in/auth/callback",
	}, &attempts{kept: map[auth.Hash]auth.Attempt{}})
	require.NoError(t, err)
	var target string
	f.ticket, target, err = f.login.Begin(t.Context(), returnTo)
	require.NoError(t, err)
	u, err := url.Parse(target)
	require.NoError(t, err)
	f.sent = u.Query()
	f.claims["nonce"] = f.sent.Get("nonce")
	f.issuer.change(func(i *issuer) {
		i.token = func(form url.Values, r *http.Request) (int, map[string]any) {
			f.asked = form
			id, secret, _ := r.BasicAuth()
			if id != clientID || secret != "s3cret" || challenge(form.Get("code_verifier")) != f.sent.Get("code_challenge") {
				return http.StatusBadRequest, map[string]any{"error": "invalid_grant"}
			}
			return http.StatusOK, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": good(t, f.claims)}
		}
	})
	return f
}

// back is what the browser brings back when all goes well.
func (f *flow) back() auth.Callback {
	return auth.Callback{Ticket: f.ticket, State: f.sent.Get("state"), Code: "code"}
}

func TestLogin(t *testing.T) {
	t.Parallel()

	t.Run("GivesThePersonAndThePage", func(t *testing.T) {
		t.Parallel()
		f := begin(t, "/campaigns?page=2")
		require.Equal(t, "S256", f.sent.Get("code_challenge_method"))
		require.Equal(t, "https://crm.shop.in/auth/callback", f.sent.Get("redirect_uri"))
		id, page, err := f.login.Finish(t.Context(), f.back())
		require.NoError(t, err)
		require.Equal(t, goodClaims()["sub"], id.Subject)
		require.Equal(t, "/campaigns?page=2", page)
		require.Equal(t, "code", f.asked.Get("code"))
	})

	t.Run("AnAttemptIsUsedUpByTrying", func(t *testing.T) {
		t.Parallel()
		f := begin(t, "/")
		_, _, err := f.login.Finish(t.Context(), f.back())
		require.NoError(t, err)
		_, _, err = f.login.Finish(t.Context(), f.back())
		require.True(t, errs.Is(err, errs.Unauthorized), "got %v", err)
	})

	t.Run("RefusesWhatDoesNotBelongToThisBrowserAndThisAttempt", func(t *testing.T) {
		t.Parallel()
		for name, change := range map[string]func(*flow, *auth.Callback){
			"no ticket":      func(_ *flow, c *auth.Callback) { c.Ticket = "" },
			"another ticket": func(_ *flow, c *auth.Callback) { c.Ticket = auth.NewTicket() },
			"no state":       func(_ *flow, c *auth.Callback) { c.State = "" },
			"another state":  func(_ *flow, c *auth.Callback) { c.State += "x" },
			"another issuer": func(_ *flow, c *auth.Callback) { c.Issuer = "https://evil.example" },
			"no code":        func(_ *flow, c *auth.Callback) { c.Code = "" },
			"an error":       func(_ *flow, c *auth.Callback) { c.Error = "access_denied" },
			"another nonce":  func(f *flow, _ *auth.Callback) { f.claims["nonce"] = "replayed" },
			"another client": func(f *flow, _ *auth.Callback) { f.claims["aud"] = "theirs" },
			"too late":       func(f *flow, _ *auth.Callback) { f.issuer.after(auth.AttemptLifetime + time.Second) },
		} {
			f := begin(t, "/")
			c := f.back()
			change(f, &c)
			_, _, err := f.login.Finish(t.Context(), c)
			require.True(t, errs.Is(err, errs.Unauthorized), "%s gave %v", name, err)
			require.NotContains(t, err.Error(), "evil.example", name)
		}
	})

	t.Run("NeverSendsTheBrowserToAnotherSite", func(t *testing.T) {
		t.Parallel()
		for _, evil := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/\t/evil.example", "evil", ""} {
			f := begin(t, evil)
			_, page, err := f.login.Finish(t.Context(), f.back())
			require.NoError(t, err)
			require.Equal(t, "/", page, evil)
		}
	})

	t.Run("AnIssuerThatIsAwayIsNoRefusal", func(t *testing.T) {
		t.Parallel()
		f := begin(t, "/")
		f.issuer.change(func(i *issuer) {
			i.token = func(url.Values, *http.Request) (int, map[string]any) { return http.StatusBadGateway, nil }
		})
		_, _, err := f.login.Finish(t.Context(), f.back())
		require.True(t, errs.Is(err, errs.Unavailable), "got %v", err)
	})
}
