package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Package is what the check needs to know of a package.
type Package struct {
	Imports []string
	// TestImports are the imports of its test files, inside and outside of the package.
	TestImports []string
	// Broken says why the package could not be listed.
	Broken string
}

// Graph is a module and everything it depends on, by import path.
type Graph struct {
	Module   string
	Packages map[string]Package
}

// Check holds a graph against the table and returns one sentence per violation, sorted.
func (t Table) Check(g Graph) []string {
	var found []string
	for _, name := range g.own() {
		p := g.Packages[g.Module+"/"+name]
		if p.Broken != "" {
			found = append(found, fmt.Sprintf("%s: cannot be listed: %s", name, p.Broken))
		}
		r, ok := t.rule(name)
		if !ok {
			found = append(found, fmt.Sprintf("%s: is not in the import table: decide its layer and what it may "+
				"import, and add a line to rules() in internal/arch/table.go", name))
			continue
		}
		found = append(found, t.checkImports(g, name, r, p)...)
		found = append(found, t.checkTestImports(g, name, r, p)...)
	}
	found = append(found, t.checkReach(g)...)
	slices.Sort(found)
	return slices.Compact(found)
}

func (t Table) checkImports(g Graph, name string, r Rule, p Package) []string {
	var found []string
	for _, imp := range p.Imports {
		own, ok := g.relative(imp)
		switch {
		case !ok:
			found = append(found, t.checkOwner(name, imp, false)...)
		case matchAny(t.Kits, own) && !matchAny(t.KitUsers, name):
			found = append(found, fmt.Sprintf("%s: imports %s, which is for tests", name, own))
		case matchAny(t.Kits, own):
		case !matchAny(r.May, own):
			found = append(found, fmt.Sprintf("%s: imports %s, which its line in internal/arch/table.go does not allow",
				name, own))
		case t.layer(own) > r.Layer:
			found = append(found, fmt.Sprintf("%s: imports %s, which is a layer above it", name, own))
		}
	}
	return found
}

// checkTestImports lets tests import their own layer, everything below it, and the kits.
func (t Table) checkTestImports(g Graph, name string, r Rule, p Package) []string {
	var found []string
	for _, imp := range p.TestImports {
		own, ok := g.relative(imp)
		switch {
		case !ok:
			found = append(found, t.checkOwner(name, imp, true)...)
		case matchAny(t.Kits, own) || matchAny(t.KitTypes, own) || matchAny(r.May, own) || own == name:
		case t.layer(own) > r.Layer:
			found = append(found, fmt.Sprintf("%s: its tests import %s, which is a layer above it", name, own))
		}
	}
	return found
}

// checkOwner asks the first owner of an imported path; the table has the particular ones first.
func (t Table) checkOwner(name, imp string, test bool) []string {
	for _, o := range t.Owners {
		if !match(o.Import, imp) {
			continue
		}
		if matchAny(o.By, name) || test && matchAny(o.Tests, name) {
			return nil
		}
		who := "only " + strings.Join(o.By, ", ") + " may"
		if len(o.By) == 0 {
			who = "nobody may"
		}
		in := "imports"
		if test {
			in = "its tests import"
		}
		return []string{fmt.Sprintf("%s: %s %s, which %s (owners() in internal/arch/table.go)", name, in, imp, who)}
	}
	return nil
}

func (t Table) checkReach(g Graph) []string {
	var found []string
	for _, r := range t.Reach {
		for _, name := range g.own() {
			if !matchAny(r.From, name) {
				continue
			}
			chain := g.chain(g.Module+"/"+name, func(imp string) bool {
				if own, ok := g.relative(imp); ok {
					return matchAny(r.Own, own)
				}
				return matchAny(r.External, imp)
			})
			if chain != nil {
				found = append(found, fmt.Sprintf("%s: reaches what it must not: %s (%s)", name,
					strings.Join(chain, " -> "), r.Why))
			}
		}
	}
	return found
}

func (t Table) rule(name string) (Rule, bool) {
	// A line for the very package comes before a pattern, wherever it stands.
	for _, r := range t.Rules {
		if r.Pkg == name {
			return r, true
		}
	}
	for _, r := range t.Rules {
		if match(r.Pkg, name) {
			return r, true
		}
	}
	return Rule{}, false
}

// layer gives packages without a line the lowest layer: they are reported by name already.
func (t Table) layer(name string) Layer {
	r, _ := t.rule(name)
	return r.Layer
}

// own lists the packages of the module, relative to its root and sorted.
func (g Graph) own() []string {
	var names []string
	for imp := range g.Packages {
		if name, ok := g.relative(imp); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (g Graph) relative(imp string) (string, bool) {
	return strings.CutPrefix(imp, g.Module+"/")
}

// chain finds the shortest chain of imports from a package to one that is forbidden.
func (g Graph) chain(from string, forbidden func(string) bool) []string {
	parent := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, imp := range g.Packages[queue[0]].Imports {
			if _, seen := parent[imp]; seen {
				continue
			}
			parent[imp] = queue[0]
			if forbidden(imp) {
				return g.walkBack(parent, imp)
			}
			queue = append(queue, imp)
		}
	}
	return nil
}

func (g Graph) walkBack(parent map[string]string, to string) []string {
	var chain []string
	for at := to; at != ""; at = parent[at] {
		chain = append(chain, strings.TrimPrefix(at, g.Module+"/"))
	}
	slices.Reverse(chain)
	return chain
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

func match(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == below || strings.HasPrefix(name, below+"/")
	}
	return pattern == name
}
