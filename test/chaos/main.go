// Command chaos breaks a whole system on purpose, one fault after the other, and has the end judged by
// three that share nothing with it: the auditor, the vendor's outcome function, and the history of what
// clients were told.
//
//	chaos smoke     a seeded sample, for continuous integration
//	chaos full      every fault there is
//	chaos mutants   known-bad builds of the product, each of which must be caught
//	chaos rejudge   judge the saved bundle of a failed round again
//
// It runs on loopback only and ends only what it started.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// options are what every run may be told.
type options struct {
	Seed       uint64 `env:"SEED" help:"Repeats a run; a random one is chosen and printed."`
	Recipients int    `default:"200" help:"Recipients of each campaign."`
	Only       string `placeholder:"regexp" help:"Only faults whose name matches."`
	Part       string `default:"1/1" help:"k/n: only every n-th fault and mutant, from the k-th, so that n runs side by side share the work."`
	Dir        string `default:".dev/chaos" help:"Where servers, logs and bundles are kept."`

	dir      string
	only     *regexp.Regexp
	part, of int
	say      func(string)
}

type cli struct {
	options

	Smoke struct{} `cmd:"" help:"A seeded sample of every kind of fault."`
	Full  struct{} `cmd:"" help:"Every fault there is, and every mutant."`
	One   struct {
		Fault string `arg:"" help:"Its name, as a run prints it."`
	} `cmd:"" help:"One fault by its name."`
	Mutants struct{} `cmd:"" help:"Known-bad builds, each of which must be caught."`
	List    struct{} `cmd:"" help:"The names of all faults and mutants."`
	Rejudge struct {
		Bundle string `arg:"" type:"existingdir" help:"Directory of a saved bundle."`
	} `cmd:"" help:"Judge a saved bundle again."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var c cli
	k := kong.Parse(&c, kong.Name("chaos"), kong.Description("Breaks a whole system on purpose and judges the end."))
	o := c.options
	if o.Seed == 0 {
		o.Seed = uint64(rand.Uint32())
	}
	o.say = func(line string) { fmt.Println(line) }
	var err error
	if o.only, err = regexp.Compile(o.Only); err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	if _, err = fmt.Sscanf(o.Part, "%d/%d", &o.part, &o.of); err != nil || o.part < 1 || o.part > o.of {
		return fmt.Errorf("--part=%s must be k/n with k from 1 to n", o.Part)
	}
	if o.dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	command, _, _ := strings.Cut(k.Command(), " ")
	if command != "list" {
		fmt.Printf("seed %d: SEED=%d repeats this run\n", o.Seed, o.Seed)
	}
	switch command {
	case "smoke":
		return o.faults(ctx, smoke)
	case "full":
		return errors.Join(o.faults(ctx, full), o.mutants(ctx))
	case "one":
		f, ok := o.named(c.One.Fault)
		if !ok {
			return fmt.Errorf("there is no fault %q: chaos list names them", c.One.Fault)
		}
		return o.faults(ctx, func(options, func(string) int) []fault { return []fault{f} })
	case "mutants":
		return o.mutants(ctx)
	case "list":
		o.list()
		return nil
	}
	return o.rejudge(ctx, c.Rejudge.Bundle)
}

// selection picks the faults of a run; counted gives how often a crash point was passed in a round
// without any fault.
type selection func(o options, counted func(point string) int) []fault

// mostWorlds bounds a run whose every round fails: the first failures tell enough.
const mostWorlds = 10

// faults runs what the selection picks, one fault after the other in one world. A violation costs the
// world: what came after it could not be told from its consequences.
func (o options) faults(ctx context.Context, pick selection) error {
	begin := time.Now()
	report := &report{Seed: o.Seed, Recipients: o.Recipients}
	var chosen []fault
	next := 0
	for range mostWorlds {
		w, err := newWorld(ctx, o, "")
		if err != nil {
			return err
		}
		fmt.Printf("the system is up (%s)\n", since(begin))
		if chosen == nil {
			chosen, err = o.choose(ctx, w, report, pick)
		}
		for err == nil && next < len(chosen) && !report.lastFailed() {
			fmt.Printf("%3d/%d ", next+1, len(chosen))
			err = o.round(ctx, w, chosen[next], uint64(next+1), report)
			next++
		}
		if err = errors.Join(err, w.close(), o.write(report)); err != nil {
			return err
		}
		if next >= len(chosen) || len(report.Rounds) == 1 {
			break
		}
		report.goOn()
	}
	return report.print(time.Since(begin))
}

// choose runs a round without any fault, which counts how often each point is passed, and picks.
func (o options) choose(ctx context.Context, w *world, report *report, pick selection) ([]fault, error) {
	quiet := fault{name: "no fault"}
	if err := o.round(ctx, w, quiet, 0, report); err != nil {
		return nil, err
	}
	return share(o, pick(o, func(point string) int { return w.hits(roundKey(quiet, 0), point) })), nil
}

// share is this run's part of all.
func share[T any](o options, all []T) []T {
	var mine []T
	for i, one := range all {
		if i%o.of == o.part-1 {
			mine = append(mine, one)
		}
	}
	return mine
}

// maxTries is how often a round is repeated whose fault did not strike.
const maxTries = 3

// round runs one fault, again with another chance while it does not strike, and reports it.
func (o options) round(ctx context.Context, w *world, f fault, number uint64, report *report) error {
	var v verdict
	for try := range maxTries {
		r := &round{w: w, fault: f, number: number, recipients: o.Recipients, key: roundKey(f, number)}
		if try > 0 {
			r.key = fmt.Sprintf("%s-%d", r.key, try+1)
		}
		if err := w.openGate(f.phase, r.key); err != nil {
			return err
		}
		var err error
		if v, err = r.run(ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", f.name, err), o.bundle(ctx, w, v))
		}
		if !v.Vacuous || len(v.Violations) > 0 {
			break
		}
		if f.again != nil {
			f = f.again()
		}
	}
	fmt.Println(v)
	report.add(v)
	if len(v.Violations) > 0 {
		return o.bundle(ctx, w, v)
	}
	return nil
}

// roundKey names a round in keys, addresses and plans, so it holds letters, digits and dashes only.
func roundKey(f fault, number uint64) string {
	return fmt.Sprintf("r%d-%s", number, regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(f.name, "-"))
}

// list prints the names of everything.
func (o options) list() {
	for _, f := range full(o, func(string) int { return 3 }) {
		fmt.Println(f.name)
	}
	for _, m := range mutations() {
		fmt.Println("mutant/" + m.name)
	}
}

func (o options) write(r *report) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.dir, "latest.json"), append(raw, '\n'), 0o600)
}

func since(t time.Time) time.Duration {
	return time.Since(t).Round(100 * time.Millisecond)
}
