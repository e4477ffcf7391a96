package auth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

// noKeys refuses to store anything: what is tested here must not get that far.
type noKeys struct{ auth.KeyAdminStore }

func TestBadKeyInput(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 9, 14, 12, 0, 0, 0, time.UTC)
	admin := auth.NewKeyAdmin(noKeys{}, func() time.Time { return now })
	for name, in := range map[string]auth.KeyInput{
		"/name":        {Role: auth.Viewer, Name: "  "},
		"/name ":       {Role: auth.Viewer, Name: strings.Repeat("x", 256)},
		"/role":        {Name: "k", Role: "root"},
		"/role ":       {Name: "k"},
		"/scopes":      {Name: "k", Scopes: []auth.Scope{"everything"}},
		"/expires_at":  {Name: "k", Role: auth.Viewer, ExpiresAt: now},
		"/expires_at ": {Name: "k", Role: auth.Viewer, ExpiresAt: now.AddDate(11, 0, 0)},
	} {
		_, _, err := admin.Create(context.Background(), "operator", in)
		require.True(t, errs.Is(err, errs.Invalid), "%s gave %v", name, err)
		var e *errs.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, strings.TrimSpace(name), e.Fields[0].Pointer)
		// The command line shows the text and nothing else.
		require.ErrorContains(t, err, strings.Trim(name, "/ ")+": "+e.Fields[0].Message)
	}
}
