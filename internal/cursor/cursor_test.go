package cursor_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	at := cursor.Position{Key: "asha \"rao\"\u200b", ID: uuid.MustParse("0197e5b5-1111-7a64-8a3c-3a5ef2c43a11")}

	t.Run("IsReadBackByItsOwnList", func(t *testing.T) {
		t.Parallel()
		got, err := cursor.Decode(cursor.Encode(at, "customers", "ACTIVE", "name"), "customers", "ACTIVE", "name")
		require.NoError(t, err)
		require.Equal(t, at, got)
	})

	t.Run("TheLongestKeyStillFits", func(t *testing.T) {
		t.Parallel()
		long := cursor.Position{Key: strings.Repeat("𝔄<", 127), ID: at.ID}
		got, err := cursor.Decode(cursor.Encode(long, "x"), "x")
		require.NoError(t, err)
		require.Equal(t, long, got)
	})

	t.Run("OfNowhereIsEmptyAndReadAsTheStart", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, cursor.Encode(cursor.Position{}, "x"))
		got, err := cursor.Decode("", "x")
		require.NoError(t, err)
		require.True(t, got.IsZero())
	})
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := cursor.Encode(cursor.Position{Key: "a"}, "customers", "ACTIVE")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, bad := range map[string]string{
		"AnotherFilter": cursor.Encode(cursor.Position{Key: "a"}, "customers", "INACTIVE"),
		"AnotherList":   cursor.Encode(cursor.Position{Key: "a"}, "orders", "ACTIVE"),
		"Garbage":       "';drop table customers",
		"NotJSON":       encode("x"),
		"AList":         encode("[]"),
		"NoPosition":    encode("{}"),
		"CutOff":        good[:len(good)-2],
		"TooLong":       strings.Repeat("A", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := cursor.Decode(bad, "customers", "ACTIVE")
			require.True(t, errs.Is(err, errs.Invalid))
		})
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	at := func(n int) cursor.Position { return cursor.Position{Key: strings.Repeat("x", n)} }
	full := cursor.Cut([]int{1, 2, 3}, 2, at)
	require.Equal(t, cursor.Page[int]{Items: []int{1, 2}, Next: at(2)}, full)
	require.Equal(t, cursor.Page[int]{Items: []int{1, 2}}, cursor.Cut([]int{1, 2}, 2, at))
}

// FuzzDecode: a cursor comes from outside, and whatever is read from it can be stored.
func FuzzDecode(f *testing.F) {
	f.Add(cursor.Encode(cursor.Position{Key: "a"}, "x"))
	f.Add("eyJrIjoiYVx1MDAwMCJ9")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := cursor.Decode(s, "x")
		if err != nil {
			require.True(t, errs.Is(err, errs.Invalid))
			return
		}
		require.NotContains(t, p.Key, "\x00")
		again, err := cursor.Decode(cursor.Encode(p, "x"), "x")
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
