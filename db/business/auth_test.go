package business_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestAPIKeys(t *testing.T) {
	t.Parallel()

	t.Run("AKeyIsFoundByItsIdUntilItIsRevoked", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		admin := auth.NewKeyAdmin(b.store, time.Now)
		expires := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		key, info, err := admin.Create(t.Context(), "operator", auth.KeyInput{
			Name: " shop ", Role: auth.Editor, Scopes: []auth.Scope{auth.Ingest}, ExpiresAt: expires,
		})
		require.NoError(t, err)
		require.Equal(t, "shop", info.Name)
		require.Zero(t, info.LastUsedAt)
		got, err := b.store.LookupKey(t.Context(), key.ID())
		require.NoError(t, err)
		require.True(t, got.Hash.Equal(key.Hash()))
		require.Equal(t, []auth.Scope{auth.Ingest}, got.Scopes)
		require.True(t, got.ExpiresAt.Equal(expires))
		require.True(t, got.Usable(time.Now()))
		revoked, err := admin.Revoke(t.Context(), "key:1", key.ID())
		require.NoError(t, err)
		require.Equal(t, "key:1", revoked.RevokedBy)
		require.NotZero(t, revoked.LastUsedAt)
		again, err := admin.Revoke(t.Context(), "key:2", key.ID())
		require.NoError(t, err)
		require.Equal(t, revoked, again, "the first revocation stands")
		got, err = b.store.LookupKey(t.Context(), key.ID())
		require.NoError(t, err)
		require.False(t, got.Usable(time.Now()))
	})

	t.Run("TheSecretIsNotStored", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		key, _, err := auth.NewKeyAdmin(b.store, time.Now).Create(t.Context(), "operator", auth.KeyInput{Name: "k", Role: auth.Viewer})
		require.NoError(t, err)
		var row string
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT k::text FROM api_keys k").Scan(&row))
		secret := key.Reveal()[len(auth.KeyPrefix)+len(key.ID())+1:]
		require.NotContains(t, row, secret[:16])
	})

	t.Run("UnknownOnesAreNotFound", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.store.LookupKey(t.Context(), "0123456789abcdef")
		require.True(t, errs.Is(err, errs.NotFound), "got %v", err)
		for _, id := range []string{"0123456789abcdef", "x", "", "'; DROP TABLE api_keys"} {
			_, err = auth.NewKeyAdmin(b.store, time.Now).Revoke(t.Context(), "operator", id)
			require.True(t, errs.Is(err, errs.NotFound), "%q gave %v", id, err)
		}
	})

	t.Run("PagesAreTheWhole", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		admin := auth.NewKeyAdmin(b.store, time.Now)
		want := map[string]bool{}
		for range 7 {
			key, _, err := admin.Create(t.Context(), "operator", auth.KeyInput{Name: "k", Role: auth.Viewer})
			require.NoError(t, err)
			want[key.ID()] = true
		}
		got := map[string]bool{}
		for after := (cursor.Position{}); ; {
			page, err := admin.List(t.Context(), after, 3)
			require.NoError(t, err)
			for _, k := range page.Items {
				require.False(t, got[k.ID], "given twice")
				got[k.ID] = true
			}
			if after = page.Next; after.IsZero() {
				break
			}
		}
		require.Equal(t, want, got)
	})
}

func TestSessionsAndAttempts(t *testing.T) {
	t.Parallel()
	person := auth.Identity{Issuer: "https://accounts.google.com", Subject: "1", Email: "a@shop.in", Name: "A", EmailProven: true}

	t.Run("ASessionIsKeptByItsHash", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		now := time.Now()
		sessions := auth.NewSessions(b.store, auth.RoleMap{Editors: []string{"@shop.in"}}, auth.SessionOptions{Now: func() time.Time { return now }})
		ticket, err := sessions.Start(t.Context(), person, "")
		require.NoError(t, err)
		cookie := auth.Credentials{Cookies: map[string]string{auth.SessionCookie: ticket.Reveal()}}
		p, err := sessions.Authenticate(t.Context(), cookie)
		require.NoError(t, err)
		require.Equal(t, auth.Editor, p.Role)
		now = now.Add(30 * time.Minute)
		_, err = sessions.Authenticate(t.Context(), cookie)
		require.NoError(t, err)
		now = now.Add(59 * time.Minute)
		_, err = sessions.Authenticate(t.Context(), cookie)
		require.NoError(t, err, "it was used half an hour ago")
		require.NoError(t, sessions.End(t.Context(), ticket))
		require.NoError(t, sessions.End(t.Context(), ticket))
		_, err = sessions.Authenticate(t.Context(), cookie)
		require.True(t, errs.Is(err, errs.Unauthorized), "got %v", err)
	})

	t.Run("AnAttemptIsTakenOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		a := auth.Attempt{
			Hash: auth.NewTicket().Hash(), State: "s", Nonce: "n", Verifier: "v", ReturnTo: "/x",
			ExpiresAt: time.Now().Add(time.Minute).UTC().Truncate(time.Microsecond),
		}
		require.NoError(t, b.store.PutAttempt(t.Context(), a))
		got, err := b.store.TakeAttempt(t.Context(), a.Hash)
		require.NoError(t, err)
		require.True(t, got.ExpiresAt.Equal(a.ExpiresAt))
		got.ExpiresAt = a.ExpiresAt
		require.Equal(t, a, got)
		_, err = b.store.TakeAttempt(t.Context(), a.Hash)
		require.True(t, errs.Is(err, errs.NotFound), "got %v", err)
	})

	t.Run("WhatIsOverGoes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		old := auth.Session{Hash: auth.NewTicket().Hash(), Identity: person, SeenAt: time.Now(), EndsAt: time.Now().Add(-time.Second)}
		require.NoError(t, b.store.InsertSession(t.Context(), old))
		require.NoError(t, b.store.InsertSession(t.Context(), auth.Session{
			Hash: auth.NewTicket().Hash(), Identity: person, SeenAt: time.Now(), EndsAt: time.Now().Add(time.Hour),
		}))
		_, err := b.store.FindSession(t.Context(), old.Hash)
		require.True(t, errs.Is(err, errs.NotFound), "got %v", err)
	})
}

func TestAuditLog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	log := auth.NewAuditLog(b.store)
	for i, who := range []string{"key:1", "key:2", "key:1"} {
		id, err := b.store.BeginEntry(t.Context(), auth.Entry{Principal: who, Operation: "pauseCampaign", Target: "t", RequestID: "r"})
		require.NoError(t, err)
		if i != 1 { // the second one's process died
			require.NoError(t, b.store.EndEntry(t.Context(), id, 200+i))
		}
	}
	first, err := log.List(t.Context(), "", cursor.Position{}, 2)
	require.NoError(t, err)
	require.Len(t, first.Items, 2)
	require.Equal(t, 202, first.Items[0].Status, "newest first")
	require.Zero(t, first.Items[1].Status)
	rest, err := log.List(t.Context(), "", first.Next, 2)
	require.NoError(t, err)
	require.Len(t, rest.Items, 1)
	require.True(t, rest.Next.IsZero())
	mine, err := log.List(t.Context(), "key:1", cursor.Position{}, 10)
	require.NoError(t, err)
	require.Len(t, mine.Items, 2)
	_, err = log.List(t.Context(), "", cursor.Position{Key: "x"}, 10)
	require.True(t, errs.Is(err, errs.Invalid), "got %v", err)
}
