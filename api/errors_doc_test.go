package api_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryProblemTypeIsDocumented holds docs/errors.md against the source.
func TestEveryProblemTypeIsDocumented(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("problem.go")
	require.NoError(t, err)
	page, err := os.ReadFile("../docs/errors.md")
	require.NoError(t, err)
	types := regexp.MustCompile(`/problems/[a-z-]+`)
	find := func(text []byte) map[string]bool {
		found := map[string]bool{}
		for _, one := range types.FindAllString(string(text), -1) {
			found[one] = true
		}
		return found
	}
	require.Equal(t, find(source), find(page))
}
