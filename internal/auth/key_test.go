package auth_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestKey(t *testing.T) {
	t.Parallel()

	t.Run("IsReadBackAsItWasShown", func(t *testing.T) {
		t.Parallel()
		k := auth.NewKey()
		require.Regexp(t, `^xcrm_[0-9a-f]{16}_[0-9a-f]{72}$`, k.Reveal())
		again, err := auth.ParseKey(k.Reveal())
		require.NoError(t, err)
		require.Equal(t, k.ID(), again.ID())
		require.True(t, k.Hash().Equal(again.Hash()))
	})

	t.Run("IsNewEachTime", func(t *testing.T) {
		t.Parallel()
		a, b := auth.NewKey(), auth.NewKey()
		require.NotEqual(t, a.ID(), b.ID())
		require.False(t, a.Hash().Equal(b.Hash()))
	})

	t.Run("PrintsWithoutItsSecret", func(t *testing.T) {
		t.Parallel()
		k := auth.NewKey()
		secret := k.Reveal()[22:54]
		for _, text := range []string{fmt.Sprintf("%v|%+v|%#v|%s|%q", k, k, k, k, k), k.LogValue().String()} {
			require.NotContains(t, text, secret)
			require.Contains(t, text, k.ID())
		}
	})

	t.Run("RefusesWhatIsNotWhole", func(t *testing.T) {
		t.Parallel()
		good := auth.NewKey().Reveal()
		for _, bad := range []string{
			"", "xcrm_", "xcrm__", good[:len(good)-1], good + "0", " " + good, good + "\n", strings.ToUpper(good),
			strings.Replace(good, "xcrm_", "crm_", 1), flip(good, 10), flip(good, 40), flip(good, len(good)-1),
			"xcrm_" + strings.Repeat("é", 8) + good[21:],
		} {
			_, err := auth.ParseKey(bad)
			require.Equal(t, errs.Unauthorized, errs.CodeOf(err), bad)
		}
	})
}

// flip changes one digit.
func flip(s string, at int) string {
	digit := "0"
	if s[at] == '0' {
		digit = "1"
	}
	return s[:at] + digit + s[at+1:]
}

func FuzzParseKey(f *testing.F) {
	f.Add(auth.NewKey().Reveal())
	f.Add("xcrm_0_0")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := auth.ParseKey(text)
		if err == nil {
			require.Equal(t, text, k.Reveal(), "a key has one spelling")
		}
	})
}
