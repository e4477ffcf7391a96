package arch_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/arch"
)

func TestList(t *testing.T) {
	t.Parallel()

	setup := func(t *testing.T, files map[string]string) string {
		t.Helper()
		dir := t.TempDir()
		for name, src := range files {
			file := filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(src), 0o600))
		}
		return dir
	}

	t.Run("SeesImportsOfCodeAndOfBothKindsOfTests", func(t *testing.T) {
		t.Parallel()
		dir := setup(t, map[string]string{
			"go.mod":              "module example.com/m\n\ngo 1.26\n",
			"workflows/w.go":      "package workflows\n\nimport _ \"example.com/m/db\"\n",
			"workflows/w_test.go": "package workflows\n\nimport _ \"testing\"\n",
			"workflows/x_test.go": "package workflows_test\n\nimport _ \"os\"\n",
			"db/db.go":            "package db\n\nimport _ \"database/sql\"\n",
		})
		g, err := arch.List(t.Context(), dir)
		require.NoError(t, err)
		require.Equal(t, "example.com/m", g.Module)
		require.Equal(t, []string{"testing", "os"}, g.Packages["example.com/m/workflows"].TestImports)
		require.Contains(t, arch.House().Check(g),
			"workflows: imports db, which its line in internal/arch/table.go does not allow")
	})

	t.Run("ReportsAPackageThatIsMissing", func(t *testing.T) {
		t.Parallel()
		dir := setup(t, map[string]string{
			"go.mod":     "module example.com/m\n\ngo 1.26\n",
			"api/api.go": "package api\n\nimport _ \"example.com/m/internal/errs\"\n",
		})
		g, err := arch.List(t.Context(), dir)
		require.NoError(t, err)
		require.NotEmpty(t, arch.House().Check(g))
	})

	t.Run("RefusesADirectoryWithoutAModule", func(t *testing.T) {
		t.Parallel()
		_, err := arch.List(t.Context(), t.TempDir())
		require.Error(t, err)
	})
}
