package auth_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

type authenticatorFunc func(auth.Credentials) (auth.Principal, error)

func (f authenticatorFunc) Authenticate(_ context.Context, c auth.Credentials) (auth.Principal, error) {
	return f(c)
}

func TestChain(t *testing.T) {
	t.Parallel()
	blind := authenticatorFunc(func(auth.Credentials) (auth.Principal, error) {
		return auth.Principal{}, auth.ErrNoCredential
	})
	says := func(err error) auth.Authenticator {
		return authenticatorFunc(func(auth.Credentials) (auth.Principal, error) { return auth.Principal{}, err })
	}
	cookies := authenticatorFunc(func(c auth.Credentials) (auth.Principal, error) {
		if c.Cookies["s"] == "" {
			return auth.Principal{}, auth.ErrNoCredential
		}
		return auth.Principal{Kind: auth.User, Subject: "7"}, nil
	})
	jar := map[string]string{"s": "good"}

	t.Run("AsksTheNextWhenOneDoesNotKnowTheCredential", func(t *testing.T) {
		t.Parallel()
		p, err := auth.Chain{blind, cookies}.Authenticate(t.Context(), auth.Credentials{Cookies: jar})
		require.NoError(t, err)
		require.Equal(t, "7", p.Subject)
	})

	t.Run("StopsAtTheFirstThatKnowsIt", func(t *testing.T) {
		t.Parallel()
		for _, code := range []errs.Code{errs.Unauthorized, errs.Unavailable} {
			chain := auth.Chain{says(errs.Errorf(code, "no")), cookies}
			_, err := chain.Authenticate(t.Context(), auth.Credentials{Cookies: jar})
			require.Equal(t, code, errs.CodeOf(err))
			require.NotErrorIs(t, err, auth.ErrNoCredential)
		}
	})

	t.Run("DoesNotSaveAnUnknownTokenByACookie", func(t *testing.T) {
		t.Parallel()
		_, err := auth.Chain{blind, cookies}.Authenticate(t.Context(), auth.Credentials{Bearer: "x", Cookies: jar})
		require.ErrorIs(t, err, auth.ErrNoCredential)
	})

	t.Run("RefusesWhenNobodyIsThere", func(t *testing.T) {
		t.Parallel()
		_, err := auth.Chain{}.Authenticate(t.Context(), auth.Credentials{})
		require.Equal(t, errs.Unauthorized, errs.CodeOf(err))
	})
}

func TestCredentialsLogValue(t *testing.T) {
	t.Parallel()
	c := auth.Credentials{Bearer: "canary", Cookies: map[string]string{"canary": "canary"}}
	require.NotContains(t, c.LogValue().String(), "canary")
}
