package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestRoleMap(t *testing.T) {
	t.Parallel()
	m := auth.RoleMap{
		Admins: []string{"Boss@Shop.in"}, Editors: []string{"@shop.in", "guest@other.in"},
		Viewers: []string{"trainee@shop.in", "@other.in"},
	}
	tests := []struct {
		name   string
		email  auth.Personal
		proven bool
		want   auth.Role
	}{
		{"PersonIsAdmin", "boss@shop.in", true, auth.Admin},
		{"CaseDoesNotMatter", "BOSS@SHOP.IN", true, auth.Admin},
		{"DomainIsEditor", "asha@shop.in", true, auth.Editor},
		{"PersonCountsBeforeDomainDownwards", "trainee@shop.in", true, auth.Viewer},
		{"PersonCountsBeforeDomainUpwards", "guest@other.in", true, auth.Editor},
		{"StrangerHasNoRole", "asha@elsewhere.in", true, auth.NoRole},
		{"LongerDomainIsAnother", "asha@evilshop.in", true, auth.NoRole},
		{"SubdomainIsAnother", "asha@a.shop.in", true, auth.NoRole},
		{"SecondAtSignDoesNotHelp", "boss@shop.in@evil.in", true, auth.NoRole},
		{"UnprovenAddressEarnsNothing", "boss@shop.in", false, auth.NoRole},
		{"NoAddress", "", true, auth.NoRole},
		{"DomainAlone", "@shop.in", true, auth.NoRole},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := m.Principal(auth.Identity{Issuer: "https://i.in", Subject: "7", Email: tt.email, EmailProven: tt.proven})
			require.Equal(t, tt.want, p.Role)
			require.Equal(t, "user:i.in|7", p.ID())
		})
	}

	t.Run("GivesTheDefaultToTheRest", func(t *testing.T) {
		t.Parallel()
		open := auth.RoleMap{Default: auth.Viewer}
		require.Equal(t, auth.Viewer, open.Principal(auth.Identity{Email: "a@b.in"}).Role)
	})
}

func TestRoleMapValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, auth.RoleMap{Admins: []string{"a@b.in", "@b.in"}, Default: auth.Viewer}.Validate())
	for _, bad := range []string{"", "@", "shop.in", "*@shop.in", "a@b@c", "a@b.in,c@d.in", "a b@c.in"} {
		require.Equal(t, errs.Invalid, errs.CodeOf(auth.RoleMap{Viewers: []string{bad}}.Validate()), bad)
	}
	require.Equal(t, errs.Invalid, errs.CodeOf(auth.RoleMap{Default: "root"}.Validate()))
}

func TestIdentityCheck(t *testing.T) {
	t.Parallel()
	good := auth.Identity{Issuer: "https://i.in", Subject: "7"}
	require.NoError(t, good.Check())
	for _, subject := range []string{"", "a b", "a\nb", "é", strings.Repeat("7", auth.MaxID)} {
		require.Equal(t, errs.Unauthorized, errs.CodeOf(auth.Identity{Issuer: "https://i.in", Subject: subject}.Check()), subject)
	}
	require.Error(t, auth.Identity{Subject: "7"}.Check())
}
