package failpoint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the repository, seen from here.
const root = "../.."

func TestPoints(t *testing.T) {
	t.Parallel()

	t.Run("EveryDeclaredNameIsAPointAndNoOther", func(t *testing.T) {
		t.Parallel()
		var names []string
		for _, p := range Points() {
			names = append(names, string(p.Name))
			require.Contains(t, []string{roleAPI, roleConsumer, roleRelay, roleWorker, roleVendor}, p.Role, p.Name)
			require.NotEmpty(t, p.Doc, p.Name)
		}
		require.True(t, slices.IsSorted(names))
		var constants []string
		for _, name := range declared(t) {
			constants = append(constants, name)
		}
		slices.Sort(constants)
		require.Equal(t, constants, names)
	})

	t.Run("EveryPointIsPassedSomewhereAndOnlyDeclaredOnesAre", func(t *testing.T) {
		t.Parallel()
		calls := uses(t)
		names := declared(t)
		for constant := range calls {
			require.Contains(t, names, constant)
		}
		for constant := range names {
			require.Contains(t, calls, constant, "no call of Hit or Err passes it")
		}
	})

	t.Run("LossyPointsArePassedByErrAndOthersByHit", func(t *testing.T) {
		t.Parallel()
		names := declared(t)
		for constant, functions := range uses(t) {
			p, known := find(Name(names[constant]))
			require.True(t, known, constant)
			want := "Hit"
			if p.Lossy {
				want = "Err"
			}
			require.Equal(t, []string{want}, slices.Compact(functions), constant)
		}
	})
}

// declared gives the constants of type Name and their values.
func declared(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "points.go", nil, 0)
	require.NoError(t, err)
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Name" {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		found[spec.Names[0].Name] = value
		return true
	})
	require.NotEmpty(t, found)
	return found
}

// uses gives the constants that the product passes, each with the sorted functions that pass it.
func uses(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || name == "internal/failpoint" || d.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			usesOf(t, name, found)
		}
		return nil
	})
	require.NoError(t, err)
	for _, functions := range found {
		slices.Sort(functions)
	}
	return found
}

// usesOf adds the calls of one file; a name that is not a constant of ours fails the test.
func usesOf(t *testing.T, name string, found map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	if !strings.Contains(string(text), "internal/failpoint\"") {
		return
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		function := memberOf(call.Fun)
		if function != "Hit" && function != "Err" {
			return true
		}
		require.Len(t, call.Args, 1, name)
		constant := memberOf(call.Args[0])
		require.NotEmpty(t, constant, "%s: %s takes a constant of package failpoint", name, function)
		found[constant] = append(found[constant], function)
		return true
	})
}

// memberOf gives X of failpoint.X, or nothing.
func memberOf(e ast.Expr) string {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if pkg, ok := selector.X.(*ast.Ident); !ok || pkg.Name != "failpoint" {
		return ""
	}
	return selector.Sel.Name
}
