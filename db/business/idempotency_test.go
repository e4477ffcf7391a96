package business_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/idempotency"
)

func asked(key, body string) idempotency.Request {
	return idempotency.Request{Owner: "anonymous", Key: key, Fingerprint: idempotency.Fingerprint([]byte(body))}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	answer := idempotency.Answer{Status: 201, Header: map[string]string{"Location": "/x"}, Body: []byte(`{"success":true}`)}

	t.Run("ARepeatGetsTheFirstAnswer", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, err := b.store.Claim(t.Context(), asked("k", "a"))
		require.NoError(t, err)
		require.Nil(t, first)
		_, err = b.store.Claim(t.Context(), asked("k", "a"))
		require.ErrorIs(t, err, idempotency.ErrRunning)
		require.NoError(t, b.store.Settle(t.Context(), asked("k", "a"), answer))
		again, err := b.store.Claim(t.Context(), asked("k", "a"))
		require.NoError(t, err)
		require.Equal(t, &answer, again)
		_, err = b.store.Claim(t.Context(), asked("k", "b"))
		require.ErrorIs(t, err, idempotency.ErrOther)
	})

	t.Run("TheFirstAnswerStands", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.store.Claim(t.Context(), asked("k", "a"))
		require.NoError(t, err)
		require.NoError(t, b.store.Settle(t.Context(), asked("k", "a"), answer))
		require.NoError(t, b.store.Settle(t.Context(), asked("k", "a"), idempotency.Answer{Status: 500}))
		require.NoError(t, b.store.Release(t.Context(), asked("k", "a")), "an answered key is not given back")
		again, err := b.store.Claim(t.Context(), asked("k", "a"))
		require.NoError(t, err)
		require.Equal(t, &answer, again)
	})

	t.Run("TwoOwnersHaveTwoKeys", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		other := asked("k", "b")
		other.Owner = "key:1"
		for _, r := range []idempotency.Request{asked("k", "a"), other} {
			got, err := b.store.Claim(t.Context(), r)
			require.NoError(t, err)
			require.Nil(t, got)
		}
	})

	t.Run("AReleasedKeyIsFree", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.store.Claim(t.Context(), asked("k", "a"))
		require.NoError(t, err)
		require.NoError(t, b.store.Release(t.Context(), asked("k", "a")))
		got, err := b.store.Claim(t.Context(), asked("k", "b"))
		require.NoError(t, err)
		require.Nil(t, got)
	})

	t.Run("AKeyWhoseProcessDiedIsFreeForTheSameRequestAfterItsLease", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.store.Claim(t.Context(), asked("k", "a"))
		require.NoError(t, err)
		_, err = b.pool.Exec(t.Context(), "UPDATE idempotency_keys SET running_until = now() - interval '1 second'")
		require.NoError(t, err)
		_, err = b.store.Claim(t.Context(), asked("k", "b"))
		require.ErrorIs(t, err, idempotency.ErrOther)
		got, err := b.store.Claim(t.Context(), asked("k", "a"))
		require.NoError(t, err)
		require.Nil(t, got)
	})

	t.Run("AKeyThatIsRenewedStaysTaken", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.store.Claim(t.Context(), asked("k", "a"))
		require.NoError(t, err)
		_, err = b.pool.Exec(t.Context(), "UPDATE idempotency_keys SET running_until = now() - interval '1 second'")
		require.NoError(t, err)
		require.NoError(t, b.store.Renew(t.Context(), asked("k", "a")))
		_, err = b.store.Claim(t.Context(), asked("k", "a"))
		require.ErrorIs(t, err, idempotency.ErrRunning)
	})

	t.Run("AnOldKeyIsFreeAndGoes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, k := range []string{"k", "other"} {
			_, err := b.store.Claim(t.Context(), asked(k, "a"))
			require.NoError(t, err)
			require.NoError(t, b.store.Settle(t.Context(), asked(k, "a"), answer))
		}
		_, err := b.pool.Exec(t.Context(), "UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
		require.NoError(t, err)
		got, err := b.store.Claim(t.Context(), asked("k", "b"))
		require.NoError(t, err)
		require.Nil(t, got)
		var left int
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM idempotency_keys").Scan(&left))
		require.Equal(t, 1, left)
	})

	t.Run("OfManyAtOnceOneWorks", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var claimed atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				got, err := b.store.Claim(t.Context(), asked("k", "a"))
				if err == nil && got == nil {
					claimed.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, claimed.Load())
	})
}
