// Command bench measures the engine against the ceiling of the machine that it runs on. All scenarios
// of a run share one stack, so that their ratios mean something on a noisy machine.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/demo"
)

const dir = ".dev/bench"

// sizes are the audiences of the scenarios.
type sizes struct{ recipients, paged, audienceN int }

// scenario measures one thing and gives its figures by name; per_s is the rate that ratios use.
type scenario struct {
	id, about string
	run       func(ctx context.Context) (map[string]float64, error)
}

func (b *bench) scenarios() []scenario {
	return []scenario{
		{"C2", "empty activity, eager, our lanes and windows", b.emptyActivities},
		{"E2", "full engine: HTTP vendor at zero latency, receipts, books", b.perCustomer},
		{"E4", "full engine, paged", b.pages},
		{"A1", "audience resolved, rendered and stored", b.audience},
		{"C4", "plain loop to the same vendor, keeping nothing", b.plainLoop},
	}
}

// ratios are what is held against a target, each of two scenarios of the same run.
func ratios() [][2]string { return [][2]string{{"E2", "C2"}, {"E4", "E2"}, {"E4", "C4"}} }

func main() {
	var n sizes
	flag.IntVar(&n.recipients, "recipients", 10_000, "recipients of a campaign")
	flag.IntVar(&n.paged, "paged", 20_000, "recipients of a paged campaign")
	flag.IntVar(&n.audienceN, "audience", 100_000, "customers of the audience scenario")
	only := flag.String("only", "", "run these scenarios, with commas between them; all if empty")
	runs := flag.Int("runs", 3, "runs of each scenario; the median counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, n, *only, *runs)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n sizes, only string, runs int) error {
	b, err := start(ctx, n)
	if err != nil {
		return err
	}
	defer b.close()
	results := map[string]map[string]float64{}
	for _, s := range b.scenarios() {
		if only != "" && !slices.Contains(strings.Split(only, ","), s.id) {
			continue
		}
		figures, err := median(ctx, s, runs)
		if err != nil {
			return fmt.Errorf("%s: %w", s.id, err)
		}
		results[s.id] = figures
	}
	results["ratios"] = map[string]float64{}
	for _, r := range ratios() {
		if results[r[0]] == nil || results[r[1]] == nil {
			continue
		}
		results["ratios"][r[0]+"/"+r[1]] = results[r[0]]["per_s"] / results[r[1]]["per_s"]
	}
	return b.report(results)
}

// median runs a scenario several times and keeps the run whose rate is in the middle.
func median(ctx context.Context, s scenario, runs int) (map[string]float64, error) {
	all := make([]map[string]float64, runs)
	for i := range all {
		fmt.Printf("%s, run %d of %d: %s … ", s.id, i+1, runs, s.about)
		figures, err := s.run(ctx)
		if err != nil {
			return nil, err
		}
		fmt.Printf("%.0f/s\n", figures["per_s"])
		all[i] = figures
	}
	slices.SortFunc(all, func(a, b map[string]float64) int { return int(a["per_s"] - b["per_s"]) })
	return all[runs/2], nil
}

func (b *bench) report(results map[string]map[string]float64) error {
	fmt.Printf("\n%s/%s, %d cores, %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	fmt.Println("| scenario | figure | value |\n|---|---|---:|")
	for _, s := range b.scenarios() {
		for _, name := range sorted(results[s.id]) {
			fmt.Printf("| %s %s | %s | %.4g |\n", s.id, s.about, name, results[s.id][name])
		}
	}
	for _, name := range sorted(results["ratios"]) {
		fmt.Printf("| ratio | %s | %.2f |\n", name, results["ratios"][name])
	}
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "latest.json"), append(raw, '\n'), 0o600)
}

func sorted(m map[string]float64) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// start builds the product and brings up the whole system, as the demo does.
func start(ctx context.Context, n sizes) (*bench, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	binary := filepath.Join(root, dir, "xencrm")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/xencrm")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	limit, cancel := context.WithTimeout(ctx, 20*time.Minute) // a clean machine builds the Temporal server first
	defer cancel()
	system, err := demo.Up(limit, config.Demo{
		Dir: dir, BinDir: ".dev/bin", Binary: binary, VendorLatency: "0", Seed: 1, Fresh: true,
	}, func(line string) { fmt.Println(line) })
	if err != nil {
		return nil, err
	}
	return connect(ctx, system, n)
}
