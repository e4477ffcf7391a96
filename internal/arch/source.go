package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxLines is where a file stops being something that a reader holds in mind.
const maxLines = 800

// SourceRules are what a single file can break.
type SourceRules struct {
	// MayReadEnvironment are the packages that may look variables up. Everybody else is given a
	// configuration.
	MayReadEnvironment []string
}

// HouseSource are the rules of this repository.
func HouseSource() SourceRules {
	return SourceRules{MayReadEnvironment: []string{
		"internal/config", "cmd/...", "dev/...", "internal/devstack/devtest", "internal/devstack/cmd/...",
	}}
}

// Check reads every Go file below the root and returns one sentence per violation, sorted.
// Generated files may do as they like.
func (s SourceRules) Check(root fs.FS) ([]string, error) {
	var found []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipDir(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		found = append(found, s.checkFile(name, src)...)
		return nil
	})
	slices.Sort(found)
	return found, err
}

// skipDir leaves out what Go leaves out, and what is not ours.
func skipDir(name string) bool {
	return name == "testdata" || name == "node_modules" || len(name) > 1 && (name[0] == '.' || name[0] == '_')
}

func (s SourceRules) checkFile(name string, src []byte) []string {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return []string{fmt.Sprintf("%s: does not parse: %v", name, err)}
	}
	if ast.IsGenerated(file) {
		return nil
	}
	var found []string
	report := func(n ast.Node, text string) {
		found = append(found, fmt.Sprintf("%s:%d: %s", name, fset.Position(n.Pos()).Line, text))
	}
	if lines := bytes.Count(src, []byte("\n")); lines > maxLines {
		report(file, fmt.Sprintf("has %d lines: split it, %d is the most", lines, maxLines))
	}
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			report(fn, "has an init function: construct it where it is needed")
		}
	}
	isTest := strings.HasSuffix(name, "_test.go")
	if isTest {
		checkSleep(fset, file, report)
	}
	if !isTest && !matchAny(s.MayReadEnvironment, path.Dir(name)) {
		checkEnvironment(file, report)
	}
	return found
}

// checkSleep allows sleeping inside a synctest bubble, where the clock is not real. A helper that
// runs in a bubble says so in a comment on the line that sleeps.
func checkSleep(fset *token.FileSet, file *ast.File, report func(ast.Node, string)) {
	clock, bubble := localName(file, "time"), localName(file, "testing/synctest")
	excused := map[int]bool{}
	for _, group := range file.Comments {
		for _, c := range group.List {
			excused[fset.Position(c.Pos()).Line] = bubble != "" && strings.Contains(c.Text, "synctest")
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && isSelector(call.Fun, bubble, "Test") {
			return false
		}
		expr, ok := n.(ast.Expr)
		if ok && isSelector(expr, clock, "Sleep") && !excused[fset.Position(n.Pos()).Line] {
			report(n, "a test sleeps: wait for a signal, poll with a deadline, or use synctest")
		}
		return true
	})
}

func checkEnvironment(file *ast.File, report func(ast.Node, string)) {
	system := localName(file, "os")
	ast.Inspect(file, func(n ast.Node) bool {
		if expr, ok := n.(ast.Expr); ok && isSelector(expr, system, "Getenv", "LookupEnv", "ExpandEnv") {
			report(n, "reads the environment: internal/config does that, and passes values on")
		}
		return true
	})
}

// localName is the name by which a file calls an imported package, or "" if it does not import it.
func localName(file *ast.File, imp string) string {
	for _, spec := range file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != imp {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imp)
	}
	return ""
}

func isSelector(expr ast.Expr, pkg string, names ...string) bool {
	sel, ok := expr.(*ast.SelectorExpr)
	if !ok || pkg == "" {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg && slices.Contains(names, sel.Sel.Name)
}
