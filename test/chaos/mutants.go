package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/failpoint"
)

// mutation is a known-bad build of the product: the same source with a few lines changed, compiled from
// an overlay, so that no bad line stands in the product itself.
type mutation struct {
	name string
	// why says what goes wrong with it.
	why   string
	edits []edit
	// under are the names of the faults under which it must be caught, in the order of trying.
	under []string
	// by are the checks of which one must find it.
	by []string
}

// edit replaces a piece of a file that must be there exactly once.
type edit struct{ file, old, new string }

// mutantTries is how many rounds a mutant gets under each of its faults.
const mutantTries = 3

// mutants builds each mutant and runs it until it is caught.
func (o options) mutants(ctx context.Context) error {
	var missed []string
	chosen := share(o, slices.DeleteFunc(mutations(), func(m mutation) bool { return !o.only.MatchString("mutant/" + m.name) }))
	for i, m := range chosen {
		fmt.Printf("%3d/%d mutant/%-40s ", i+1, len(chosen), m.name)
		caught, err := o.hunt(ctx, m)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil || caught == "" {
			missed = append(missed, m.name)
			caught = fmt.Sprintf("NOT CAUGHT (%v)", err)
		}
		fmt.Println(caught)
	}
	if len(missed) > 0 {
		return fmt.Errorf("%d mutants are not caught: %s", len(missed), strings.Join(missed, ", "))
	}
	if len(chosen) > 0 {
		fmt.Printf("%d of %d mutants caught\n", len(chosen), len(chosen))
	}
	return nil
}

// hunt gives what caught the mutant, "" if nothing did.
func (o options) hunt(ctx context.Context, m mutation) (caught string, err error) {
	begin := time.Now()
	o.dir = filepath.Join(o.dir, "mutant")
	overlay, err := m.overlay(o.dir)
	if err != nil {
		return "", err
	}
	o.say = func(string) {} // one line a mutant
	w, err := newWorld(ctx, o, overlay)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	number := uint64(0)
	for _, name := range m.under {
		f, ok := o.named(name)
		if !ok {
			return "", fmt.Errorf("there is no fault %s", name)
		}
		for range mutantTries {
			number++
			r := &round{w: w, fault: f, number: number, recipients: o.Recipients, key: roundKey(f, number)}
			if err := w.openGate(f.phase, r.key); err != nil {
				return "", err
			}
			v, err := r.run(ctx)
			if err != nil {
				return "", err
			}
			if found := m.foundBy(v); found != "" {
				return fmt.Sprintf("caught by %s under %s (round %d, %s)", found, f.name, number, since(begin)), nil
			}
			if len(v.Violations) > 0 {
				return "", fmt.Errorf("found by other checks than %v: %v", m.by, v.Violations)
			}
		}
	}
	return "", nil
}

// foundBy gives the first of the mutant's checks that found something.
func (m mutation) foundBy(v verdict) string {
	for _, broken := range v.Violations {
		if slices.Contains(m.by, broken.ID) {
			return broken.ID
		}
	}
	return ""
}

// named finds a fault by its name, as it is printed. Those at crash points carry their own number.
func (o options) named(name string) (fault, bool) {
	if plain, ok := strings.CutSuffix(name, pagedSuffix); ok {
		f, ok := o.named(plain)
		return f.paged(), ok
	}
	switch name {
	case "no fault":
		return fault{name: name}, true
	case "poison":
		return fault{name: name, work: work{poison: 1}}, true
	}
	if kind, rest, ok := strings.Cut(name, "/"); ok {
		if f, ok := pointNamed(kind, rest); ok {
			return f, true
		}
	}
	o.only = regexp.MustCompile("^" + regexp.QuoteMeta(name) + "$")
	all := full(o, func(string) int { return 1 })
	if len(all) == 0 {
		return fault{}, false
	}
	return all[0], true
}

// pointNamed reads "point@hit".
func pointNamed(kind, text string) (fault, bool) {
	name, number, ok := strings.Cut(text, "@")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return fault{}, false
	}
	for _, p := range failpoint.Points() {
		switch {
		case string(p.Name) != name:
		case kind == "crash":
			return crash(p, n), true
		case kind == "slow":
			return slow(p, n), true
		case kind == "lost" && p.Lossy:
			return lostAnswer(p, n), true
		}
	}
	return fault{}, false
}

// overlay writes the changed files and gives the path of the list that the compiler reads.
func (m mutation) overlay(dir string) (string, error) {
	dir = filepath.Join(dir, "overlay")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil { // source code
		return "", err
	}
	replace := map[string]string{}
	for _, e := range m.edits {
		path, err := filepath.Abs(e.file)
		if err != nil {
			return "", err
		}
		from := path
		if changed, ok := replace[path]; ok {
			from = changed // a second edit of the same file
		}
		raw, err := os.ReadFile(from) // our own source
		if err != nil {
			return "", err
		}
		if n := bytes.Count(raw, []byte(e.old)); n != 1 {
			return "", fmt.Errorf("%s has %d times what mutant %s replaces, want once: bring the mutant up to date", e.file, n, m.name)
		}
		to := filepath.Join(dir, strings.ReplaceAll(e.file, "/", "_"))
		if err := os.WriteFile(to, bytes.Replace(raw, []byte(e.old), []byte(e.new), 1), 0o600); err != nil {
			return "", err
		}
		replace[path] = to
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, raw, 0o600)
}
