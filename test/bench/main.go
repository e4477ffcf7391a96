// Command bench measures the engine against the ceiling of the machine that it runs on. All scenarios
// of a run share one stack, so that their ratios mean something on a noisy machine.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/demo"
)

const dir = ".dev/bench"

// sizes are the audiences of the scenarios, where Temporal keeps its histories, and what part of its answers the
// vendor makes successes where a scenario does not say otherwise.
type sizes struct {
	recipients, paged, audienceN int
	onPostgres                   bool
	success                      string
}

// leastRecipients: the segment of the campaigns with a rate lies within that of the recipients.
const leastRecipients = heldRecipients

// scenario measures one thing and gives its figures by name; per_s is the rate that ratios use.
type scenario struct {
	id, about string
	// sets are the names under which it is run: "" is the whole bench.
	sets []string
	run  measure
}

// Sets of scenarios.
const (
	setAll     = "all"
	setQuick   = "quick"   // the ratios that have targets
	setIngest  = "ingest"  // what comes in
	setMillion = "million" // a database of a million customers
)

// scenarios are run in this order: those of the ratios in rounds, so that the two sides of a ratio are minutes
// apart at most, then each of the others several times in a row.
func (b *bench) scenarios() []scenario {
	all, quick := []string{setAll}, []string{setAll, setQuick}
	return []scenario{
		{"C1", "empty activity, SDK defaults", quick, b.sdkDefaults},
		{"C3", "empty local activity", all, b.localActivities},
		{"C2", "empty activity, eager, our lanes and windows", quick, b.emptyActivities},
		{"E1", "engine and ledger, null vendor, no receipts", all, b.engineAlone},
		{"E2", "full engine: HTTP vendor at zero latency, receipts, books", quick, b.perCustomer},
		{"E2-refused", "the same, and every twentieth answer is to be tried again", quick, b.refusing(b.perCustomer)},
		{"E2-50ms", "full engine, vendor takes 50 ms", quick, b.slow("50ms", "50ms", b.perCustomer)},
		{"E2-200-800ms", "full engine, vendor takes 200 to 800 ms", all, b.slow("200ms", "800ms", b.perCustomer)},
		{"E4", "full engine, paged", quick, b.pages},
		{"E4-refused", "the same, and every twentieth answer is to be tried again", quick, b.refusing(b.pages)},
		{"C4", "plain loop to the same vendor, keeping nothing", quick, b.plainLoop},
		{"N1", "what people write first: one workflow, a signal a receipt", quick, b.baseline},
		{"F1", "20 campaigns of 1,000 at once", all, b.manyAtOnce},
		{"F2", "a campaign of 100 beside a big one", all, b.smallBesideBig},
		{"W1", "VENDOR_RATE over two workers", all, b.vendorRate},
		{"W2", "a campaign's rate over two workers", all, b.campaignRate},
		{"W3", "a paged campaign's rate over two workers", all, b.pagedRate},
		{"A1", "audience resolved, rendered and stored", all, b.audience},
		{"R1", "receipts, three copies each, shuffled", all, b.receipts},
		{"Q1", "reads of a console's pages, 50 a second", all, b.reads},
		{"P1", "preview of a five-rule tree over everyone", []string{setAll, setMillion}, b.preview},
		{"M1", "one paged campaign over everyone", []string{setMillion}, b.million},
		// Its customers join the others, so it comes after everything that counts them.
		{"I1", "orders posted, stored and projected", []string{setAll, setIngest}, b.orders},
		{"V1", "200,000 customers imported from a file", []string{setAll, setIngest}, b.imports},
	}
}

func main() {
	var n sizes
	flag.IntVar(&n.recipients, "recipients", 40_000, "recipients of a campaign")
	flag.IntVar(&n.paged, "paged", 100_000, "recipients of a paged campaign")
	flag.IntVar(&n.audienceN, "audience", 100_000, "customers there are")
	set := flag.String("set", setAll, "all, quick, ingest or million")
	only := flag.String("only", "", "run these scenarios, with commas between them; all of the set if empty")
	store := flag.String("temporal", "sqlite", "where Temporal keeps its histories: sqlite or postgres, in 16 shards")
	flag.StringVar(&n.success, "success", "1", "part of the vendor's answers that are successes; half of the others "+
		"are to be tried again. Scenarios with refusals have their own")
	runs := flag.Int("runs", 3, "runs of each scenario; the median counts")
	flag.Parse()
	if n.recipients < leastRecipients || n.paged < n.recipients || n.audienceN < n.paged {
		fmt.Fprintf(os.Stderr, "bench: want %d <= -recipients <= -paged <= -audience\n", leastRecipients)
		os.Exit(1)
	}
	if *store != "sqlite" && *store != "postgres" {
		fmt.Fprintln(os.Stderr, "bench: -temporal is sqlite or postgres")
		os.Exit(1)
	}
	n.onPostgres = *store == "postgres"
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, n, *set, *only, *runs)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n sizes, set, only string, runs int) error {
	b, err := start(ctx, n)
	if err != nil {
		return err
	}
	defer b.close()
	var paired, others []scenario
	for _, s := range b.scenarios() {
		switch {
		case !s.chosen(set, only):
		case s.inRatio():
			paired = append(paired, s)
		default:
			others = append(others, s)
		}
	}
	results := map[string]figures{}
	all := map[string][]figures{}
	// What is known so far is written each time: a run that is cut short has told something.
	once := func(s scenario, i int) error {
		fmt.Printf("%-8s run %d of %d: %s … ", s.id, i+1, runs, s.about)
		begin := time.Now()
		got, err := s.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.id, err)
		}
		maps.Copy(got, b.yard.between(begin, time.Now()))
		fmt.Printf("%.0f/s (a memory read took %.0f ns)\n", got["per_s"], got["machine_memory_read_ns"])
		all[s.id] = append(all[s.id], got)
		results[s.id] = median(all[s.id])
		return b.write(results)
	}
	for i := range runs {
		for _, s := range paired {
			if err := once(s, i); err != nil {
				return err
			}
		}
	}
	for _, s := range others {
		for i := range runs {
			if err := once(s, i); err != nil {
				return err
			}
		}
	}
	results["ratios"] = ratiosOf(all)
	b.print(ctx, results, all)
	return b.write(results)
}

func (s scenario) chosen(set, only string) bool {
	if only != "" {
		return slices.Contains(strings.Split(only, ","), s.id)
	}
	return slices.Contains(s.sets, set)
}

// inRatio reports whether a ratio compares the scenario with another.
func (s scenario) inRatio() bool {
	return slices.ContainsFunc(ratios(), func(r ratio) bool { return r.of == s.id || r.to == s.id })
}

// median gives the run whose rate is in the middle.
func median(runs []figures) figures {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b figures) int { return cmp.Compare(a["per_s"], b["per_s"]) })
	return sorted[len(sorted)/2]
}

func (b *bench) write(results map[string]figures) error {
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "latest.json"), append(raw, '\n'), 0o600)
}

// start builds the product and brings up the whole system, as the demo does.
func start(ctx context.Context, n sizes) (*bench, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	// The vendor's ledger is not a part of the stack that is made afresh, and one that is full is slower.
	if err := os.RemoveAll(filepath.Join(dir, "vendor")); err != nil {
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
		TemporalOnPostgres: n.onPostgres, OwnVendor: true,
	}, func(line string) { fmt.Println(line) })
	if err != nil {
		return nil, err
	}
	return connect(ctx, system, n)
}
