package auth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestPrincipalAllows(t *testing.T) {
	t.Parallel()
	everything := []auth.Permission{
		auth.ReadSegments, auth.WriteSegments, auth.ReadCampaigns, auth.WriteCampaigns, auth.ControlCampaigns,
		auth.ReadStats, auth.ReadCustomers, auth.WriteCustomers, auth.WriteOrders, auth.WriteReceipts,
		auth.ManageKeys, auth.ReplayDeadLetters, auth.ReadAuditLog,
	}
	viewer := []auth.Permission{auth.ReadSegments, auth.ReadCampaigns, auth.ReadStats}
	editor := append([]auth.Permission{
		auth.WriteSegments, auth.WriteCampaigns, auth.ControlCampaigns, auth.ReadCustomers,
	}, viewer...)
	tests := []struct {
		name string
		p    auth.Principal
		want []auth.Permission
	}{
		{"NobodyMayDoNothing", auth.Principal{}, nil},
		{"ViewerReadsWithoutPersonalData", auth.Principal{Role: auth.Viewer}, viewer},
		{"EditorSends", auth.Principal{Role: auth.Editor}, editor},
		{"AdminMayDoEverything", auth.Principal{Role: auth.Admin}, everything},
		{"IngestPostsOnly", auth.Principal{Scopes: []auth.Scope{auth.Ingest}}, []auth.Permission{auth.WriteCustomers, auth.WriteOrders}},
		{"ReceiptsPostsOnly", auth.Principal{Scopes: []auth.Scope{auth.Receipts}}, []auth.Permission{auth.WriteReceipts}},
		{"RoleAndScopeAddUp", auth.Principal{Role: auth.Viewer, Scopes: []auth.Scope{auth.Receipts}}, append([]auth.Permission{auth.WriteReceipts}, viewer...)},
		{"InventedRoleAndScopeMayDoNothing", auth.Principal{Role: "root", Scopes: []auth.Scope{"*"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []auth.Permission
			for _, p := range everything {
				if tt.p.Allows(p) {
					got = append(got, p)
				}
			}
			require.ElementsMatch(t, tt.want, got)
			require.False(t, tt.p.Allows("everything"))
		})
	}
}

func TestPrincipal(t *testing.T) {
	t.Parallel()
	const canary = "canary@shop.in"
	p := auth.Principal{
		Kind: auth.User, Issuer: "https://accounts.google.com", Subject: "108", Email: canary, Name: canary, Role: auth.Editor,
	}

	t.Run("IsNamedWithoutPersonalData", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "user:accounts.google.com|108", p.ID())
		require.Equal(t, "key:ab12", auth.Principal{Kind: auth.APIKey, KeyID: "ab12"}.ID())
	})

	t.Run("NeverPrintsWhoItIs", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, nil))
		log.InfoContext(t.Context(), "x", slog.Any("principal", p), slog.Any("email", p.Email))
		log = slog.New(slog.NewTextHandler(&out, nil))
		log.InfoContext(t.Context(), "x", slog.Any("principal", p), slog.Any("list", []any{p, p.Email}))
		fmt.Fprintf(&out, "%v %+v %#v %s %q", p, p, p, p.Email, p.Name)
		require.NoError(t, json.NewEncoder(&out).Encode(p)) //nolint:musttag // what a careless encoding shows
		require.NotContains(t, out.String(), "canary")
		require.Contains(t, out.String(), "accounts.google.com|108")
	})
}

func TestRequire(t *testing.T) {
	t.Parallel()
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{Kind: auth.APIKey, KeyID: "k", Role: auth.Viewer})

	p, err := auth.Require(ctx, auth.ReadStats)
	require.NoError(t, err)
	require.Equal(t, "key:k", p.ID())

	_, err = auth.Require(ctx, auth.ControlCampaigns)
	require.Equal(t, errs.Forbidden, errs.CodeOf(err))

	_, err = auth.Require(t.Context(), auth.ReadStats)
	require.Equal(t, errs.Unauthorized, errs.CodeOf(err))
}
