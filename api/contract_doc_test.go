package api_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCorrectionsAreWhatIsAnswered holds the corrected statuses of docs/contract.md to the golden bodies, and
// the tests that it names to their names.
func TestCorrectionsAreWhatIsAnswered(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/contract.md")
	require.NoError(t, err)
	rows := regexp.MustCompile("(?m)^\\|.*\\| (\\d{3}) \\| (`fail_.*) \\|$").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, rows)
	for _, row := range rows {
		for name := range strings.SplitSeq(row[2], ", ") {
			golden, err := os.ReadFile(filepath.Join("testdata", "golden", strings.Trim(name, "`")+".txt"))
			require.NoError(t, err)
			first, _, _ := strings.Cut(string(golden), "\n")
			require.True(t, strings.HasSuffix(first, " "+row[1]), "%s is %s", name, first)
		}
	}
	source, err := os.ReadFile("defects_test.go")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile(`Test\w+`).FindAllString(string(page), -1) {
		require.Contains(t, string(source), "func "+name+"(")
	}
}
