package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMutationsApply holds the mutants to the product's source as it is now: a piece that they replace
// must be there once, and what comes of it must be Go.
func TestMutationsApply(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	seen := map[string]bool{}
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			require.False(t, seen[m.name], "two mutants have this name")
			seen[m.name] = true
			require.NotEmpty(t, m.why)
			require.NotEmpty(t, m.by)
			dir := t.TempDir()
			_, err := m.overlay(dir)
			require.NoError(t, err)
			files, err := filepath.Glob(filepath.Join(dir, "overlay", "*.go"))
			require.NoError(t, err)
			require.NotEmpty(t, files)
			for _, file := range files {
				raw, err := os.ReadFile(file)
				require.NoError(t, err)
				_, err = parser.ParseFile(token.NewFileSet(), file, raw, parser.SkipObjectResolution)
				require.NoError(t, err)
			}
			o := options{}
			for _, name := range m.under {
				_, ok := o.named(name)
				require.True(t, ok, "there is no fault %s", name)
			}
		})
	}
}
