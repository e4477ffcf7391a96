package arch_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/arch"
)

// moduleRoot is seen from the directory in which the tests of this package run.
const moduleRoot = "../.."

func TestHouse(t *testing.T) {
	t.Parallel()

	t.Run("EveryPackageImportsOnlyWhatTheTableAllows", func(t *testing.T) {
		t.Parallel()
		g, err := arch.List(t.Context(), moduleRoot)
		require.NoError(t, err)
		require.Contains(t, g.Packages, g.Module+"/internal/arch", "the list is not of this module")
		for _, v := range arch.House().Check(g) {
			t.Error(v)
		}
	})

	t.Run("EveryFileKeepsTheRules", func(t *testing.T) {
		t.Parallel()
		found, err := arch.HouseSource().Check(os.DirFS(moduleRoot))
		require.NoError(t, err)
		for _, v := range found {
			t.Error(v)
		}
	})

	t.Run("EveryPatternOfTheTableIsInOneLayerOnly", func(t *testing.T) {
		t.Parallel()
		seen := map[string]bool{}
		for _, r := range arch.House().Rules {
			require.False(t, seen[r.Pkg], "%s stands in the table twice", r.Pkg)
			seen[r.Pkg] = true
		}
	})
}
