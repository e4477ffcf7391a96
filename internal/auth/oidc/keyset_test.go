package oidc_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth/oidc"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	verify := func(t *testing.T, v *oidc.Verifier, i *issuer, kid string) error {
		t.Helper()
		key := keyA()
		if kid != "a" {
			key = keyB()
		}
		c := goodClaims()
		c["iat"], c["exp"] = i.now().Unix(), i.now().Add(time.Hour).Unix()
		_, err := v.Verify(t.Context(), sign(t, jose.RS256, key, map[string]any{"kid": kid}, c))
		return err
	}
	refused := func(t *testing.T, err error, code errs.Code) {
		t.Helper()
		require.Equal(t, code, errs.CodeOf(err), "%v", err)
	}

	t.Run("AreFetchedOnce", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		require.Zero(t, i.discovered, "the system starts while the issuer is away")
		for range 100 {
			require.NoError(t, verify(t, v, i, "a"))
		}
		require.Equal(t, 1, i.fetches())
		require.Equal(t, 1, i.discovered)
	})

	t.Run("AreFetchedOnceByManyAtOnce", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		token := good(t, goodClaims())
		failed := make(chan error, 50)
		var wg sync.WaitGroup
		for range cap(failed) {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), token); err != nil {
					failed <- err
				}
			})
		}
		wg.Wait()
		require.Empty(t, failed)
		require.Equal(t, 1, i.fetches())
	})

	t.Run("RotateWithoutARestart", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		require.NoError(t, verify(t, v, i, "a"))
		i.change(func(i *issuer) { i.keys = map[string]any{"a": &keyA().PublicKey, "b": &keyB().PublicKey} })
		i.after(10 * time.Second)
		require.NoError(t, verify(t, v, i, "b"))
		require.NoError(t, verify(t, v, i, "a"), "the old one is good until the issuer withdraws it")
		require.Equal(t, 2, i.fetches())
	})

	t.Run("AreForgottenWhenTheIssuerWithdrawsThem", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		require.NoError(t, verify(t, v, i, "a"))
		i.change(func(i *issuer) { i.keys = map[string]any{"b": &keyB().PublicKey} })
		i.after(time.Hour)
		refused(t, verify(t, v, i, "a"), errs.Unauthorized)
		require.NoError(t, verify(t, v, i, "b"))
	})

	t.Run("AreAskedForOnceInTenSecondsHoweverManyInventedKidsCome", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		require.NoError(t, verify(t, v, i, "a"))
		i.after(10 * time.Second)
		for n := range 1000 {
			token := raw(t, map[string]any{"alg": "RS256", "kid": "k" + strconv.Itoa(n)}, goodClaims(), "c2ln")
			_, err := v.Verify(t.Context(), token)
			refused(t, err, errs.Unauthorized)
		}
		require.Equal(t, 2, i.fetches())
		require.NoError(t, verify(t, v, i, "a"))
	})

	t.Run("WorkOnInAnOutageUntilTheyAreTooOld", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		require.NoError(t, verify(t, v, i, "a"))
		i.change(func(i *issuer) { i.status = http.StatusInternalServerError })
		i.after(time.Hour - time.Second)
		require.NoError(t, verify(t, v, i, "a"))
		require.Equal(t, 1, i.fetches())
		i.after(time.Second)
		for range 10 {
			refused(t, verify(t, v, i, "a"), errs.Unavailable)
		}
		require.Equal(t, 2, i.fetches(), "an issuer in trouble is not stormed")
		i.change(func(i *issuer) { i.status = 0 })
		i.after(10 * time.Second)
		require.NoError(t, verify(t, v, i, "a"))
	})

	t.Run("AreNotCalledUnknownWhileNobodyCanTell", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		require.NoError(t, verify(t, v, i, "a"))
		i.change(func(i *issuer) { i.status = http.StatusBadGateway })
		i.after(10 * time.Second)
		refused(t, verify(t, v, i, "b"), errs.Unavailable)
		refused(t, verify(t, v, i, "b"), errs.Unavailable)
		require.NoError(t, verify(t, v, i, "a"))
	})

	t.Run("WorkWhileTheIssuerIsSlow", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		require.NoError(t, verify(t, v, i, "a"))
		hang := make(chan struct{})
		i.change(func(i *issuer) { i.hang = hang })
		i.after(10 * time.Second)
		invented := raw(t, map[string]any{"alg": "RS256", "kid": "zzz"}, goodClaims(), "c2ln")
		done := make(chan error)
		go func() {
			_, err := v.Verify(context.WithoutCancel(t.Context()), invented)
			done <- err
		}()
		require.Eventually(t, func() bool { return i.fetches() == 2 }, 10*time.Second, time.Millisecond)
		require.NoError(t, verify(t, v, i, "a"), "an invented kid must not hold up the others")
		close(hang)
		refused(t, <-done, errs.Unauthorized)
	})

	t.Run("SaysThatTheIssuerIsAwayFromTheStart", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		v := i.verifier()
		i.change(func(i *issuer) { i.status = http.StatusServiceUnavailable })
		refused(t, verify(t, v, i, "a"), errs.Unavailable)
		i.change(func(i *issuer) { i.status = 0 })
		i.after(10 * time.Second)
		require.NoError(t, verify(t, v, i, "a"))
	})

	t.Run("OfAKindWeDoNotKnowDoNotHideTheOthers", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		i.change(func(i *issuer) { i.extraKeys = `{"kty":"AKP","kid":"pq","alg":"ML-DSA-65","pub":"AAAA"}` })
		require.NoError(t, verify(t, i.verifier(), i, "a"))
	})

	t.Run("ForEncryptionDoNotSign", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		one, err := jose.JSONWebKey{Key: &keyB().PublicKey, KeyID: "enc", Use: "enc"}.MarshalJSON()
		require.NoError(t, err)
		i.change(func(i *issuer) { i.extraKeys = string(one) })
		refused(t, verify(t, i.verifier(), i, "enc"), errs.Unauthorized)
	})

	t.Run("ThatAreNoneMeanThatTheIssuerIsBroken", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		i.change(func(i *issuer) { i.keys = nil })
		refused(t, verify(t, i.verifier(), i, "a"), errs.Unavailable)
	})

	discovery := map[string]map[string]string{
		"OfAnotherIssuer":     {"issuer": "https://evil.example"},
		"WithKeysByPlainHTTP": {"jwks_uri": "http://accounts.google.com/keys"},
		"WithoutKeys":         {"jwks_uri": ""},
	}
	for name, wrong := range discovery {
		t.Run("AreNotTakenFromADocument"+name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			i.change(func(i *issuer) { i.discovery = wrong })
			refused(t, verify(t, i.verifier(), i, "a"), errs.Unavailable)
			require.Zero(t, i.fetches())
		})
	}
}

func TestKeyLifetime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, cacheControl string
		want               time.Duration
	}{
		{"IsWhatTheIssuerSays", "public, max-age=7200", 2 * time.Hour},
		{"IsReadWithoutRegardToCase", "Max-Age=7200", 2 * time.Hour},
		{"IsAnHourWhenTheIssuerSaysNothing", "", time.Hour},
		{"IsAMinuteAtLeast", "max-age=0", time.Minute},
		{"IsAMinuteWhenNothingMayBeKept", "no-store", time.Minute},
		{"IsAMinuteWhenItCannotBeRead", "max-age=soon", time.Minute},
		{"IsADayAtMost", "max-age=99999999", 24 * time.Hour},
		{"IsAMinuteWhenItOverflows", "max-age=99999999999999999999", time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			i.change(func(i *issuer) { i.cacheControl = tt.cacheControl })
			v := i.verifier()
			c := goodClaims()
			c["exp"] = start.Add(48 * time.Hour).Unix()
			token := good(t, c)
			for _, step := range []struct {
				after time.Duration
				want  int
			}{{0, 1}, {tt.want - time.Second, 1}, {time.Second, 2}} {
				i.after(step.after)
				_, err := v.Verify(t.Context(), token)
				require.NoError(t, err)
				require.Equal(t, step.want, i.fetches())
			}
		})
	}
}
