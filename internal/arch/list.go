package arch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// listed is the part of the answer of `go list -json` that is read.
type listed struct {
	ImportPath   string   `json:"ImportPath"`
	Imports      []string `json:"Imports"`
	TestImports  []string `json:"TestImports"`
	XTestImports []string `json:"XTestImports"`
	// ImportMap tells where the standard library means a vendored copy.
	ImportMap map[string]string `json:"ImportMap"`
	Error     *struct {
		Err string `json:"Err"`
	} `json:"Error"`
}

// noModule is what the go command calls the module where there is none.
const noModule = "command-line-arguments"

// List asks the go command for the module in dir and for everything it depends on. It reads import
// clauses only, so a tree that does not compile can be checked.
func List(ctx context.Context, dir string) (Graph, error) {
	module, err := goCommand(ctx, dir, "list", "-m")
	if err != nil {
		return Graph{}, err
	}
	if strings.TrimSpace(string(module)) == noModule {
		return Graph{}, fmt.Errorf("%s is not in a Go module", dir)
	}
	out, err := goCommand(ctx, dir, "list", "-e", "-deps",
		"-json=ImportPath,Imports,TestImports,XTestImports,ImportMap,Error", "./...")
	if err != nil {
		return Graph{}, err
	}
	g := Graph{Module: strings.TrimSpace(string(module)), Packages: map[string]Package{}}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return Graph{}, fmt.Errorf("read the package list: %w", err)
		}
		g.Packages[p.ImportPath] = p.pkg()
	}
}

func (l listed) pkg() Package {
	p := Package{Imports: l.Imports, TestImports: slices.Concat(l.TestImports, l.XTestImports)}
	for i, imp := range p.Imports {
		if mapped, ok := l.ImportMap[imp]; ok {
			p.Imports[i] = mapped
		}
	}
	if l.Error != nil {
		p.Broken = l.Error.Err
	}
	return p
}

func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments stand above
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
