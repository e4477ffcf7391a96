package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// ratio compares the rates of two scenarios of the same round.
type ratio struct {
	of, to string
	wanted float64 // 0 for a ratio without a target
}

func (r ratio) String() string { return r.of + "/" + r.to }

func ratios() []ratio {
	return []ratio{
		{"E2", "C2", 0.8},
		{"E2", "C1", 1.5},
		{"E2-50ms", "C2", 0.75},
		{"E4", "C4", 0.6},
		{"E2", "N1", 5},
		{"E4", "N1", 5},
		{"E1", "C2", 0},
		{"E4", "E2", 0},
		{"E2-refused", "C2", 0},
		{"E2-refused", "C1", 0},
		{"E4-refused", "C4", 0},
	}
}

// rounds gives the ratio in each round that has both sides: the machine's own speed changes from minute to minute,
// and then both have it.
func (r ratio) rounds(all map[string][]figures) []float64 {
	var out []float64
	for i := range min(len(all[r.of]), len(all[r.to])) {
		out = append(out, all[r.of][i]["per_s"]/all[r.to][i]["per_s"])
	}
	return out
}

// ratiosOf gives the median of each ratio over the rounds.
func ratiosOf(all map[string][]figures) figures {
	out := figures{}
	for _, r := range ratios() {
		if of := r.rounds(all); len(of) > 0 {
			out[r.String()] = percentile(of, 0.50)
		}
	}
	return out
}

// column of a table: the sum of some figures.
type column struct {
	title string
	of    []string
}

// costs, with the workers where they run: the ceilings' and the baseline's in the bench itself.
func costs() []column {
	const cpu = "cpu_us_per_recipient"
	return []column{
		{"per second", []string{"per_s"}},
		{"CPU, µs a recipient", []string{cpu}},
		{"Temporal", []string{cpu + "_temporal"}},
		{"worker, bench", []string{cpu + "_worker", cpu + "_bench"}},
		{"PostgreSQL", []string{cpu + "_postgres"}},
		{"mock vendor", []string{cpu + "_mock-vendor"}},
		{"API, relay, consumer", []string{cpu + "_api", cpu + "_relay", cpu + "_consumer"}},
		{"RabbitMQ", []string{cpu + "_rabbitmq"}},
	}
}

// steady are the figures that a noisy machine does not change.
func steady() []column {
	return []column{
		{"events a recipient", []string{"events_per_recipient"}},
		{"largest history, events", []string{"largest_history_events"}},
		{"history, bytes a recipient", []string{"history_bytes_per_recipient"}},
		{"state transitions", []string{"transitions_per_recipient"}},
		{"commits a recipient", []string{"commits_per_recipient"}},
		{"WAL, bytes a recipient", []string{"wal_bytes_per_recipient"}},
		{"heap-only changes", []string{"heap_only_updates"}},
		{"worker, MB at most", []string{"worker_peak_mb"}},
		{"consumer", []string{"consumer_peak_mb"}},
		{"API", []string{"api_peak_mb"}},
		{"Temporal", []string{"temporal_peak_mb"}},
	}
}

// print gives the tables of docs/benchmarks.md.
func (b *bench) print(ctx context.Context, results map[string]figures, all map[string][]figures) {
	fmt.Printf("\nCampaigns of %d, paged %d, %d customers; the vendor accepts %s of the messages, %s in the scenarios with "+
		"refusals.\n\n", b.recipients, b.paged, b.audienceN, b.success, refusingSuccess)
	for _, line := range b.environment(ctx) {
		fmt.Println("- " + line)
	}
	if len(results["ratios"]) > 0 {
		fmt.Print("\n| ratio | | in each round | wanted |\n|---|---:|---|---:|\n")
	}
	for _, r := range ratios() {
		if middle, ok := results["ratios"][r.String()]; ok {
			fmt.Printf("| %s | **%.2f** | %s | %s |\n", r, middle, list(r.rounds(all)), wanted(r.wanted))
		}
	}
	printFigures(os.Stdout, b.scenarios(), results)
}

// printFigures prints every figure of every scenario once: what has no column stands in the last table.
func printFigures(w io.Writer, scenarios []scenario, results map[string]figures) {
	var shown []string
	for _, columns := range [][]column{costs(), steady()} {
		printTable(w, scenarios, results, columns)
		for _, c := range columns {
			shown = append(shown, c.of...)
		}
	}
	fmt.Fprintln(w, "\n| scenario | everything else |\n|---|---|")
	for _, s := range scenarios {
		var rest []string
		for _, name := range slices.Sorted(maps.Keys(results[s.id])) {
			if !slices.Contains(shown, name) {
				rest = append(rest, name+" "+number(results[s.id][name]))
			}
		}
		if len(rest) > 0 {
			fmt.Fprintf(w, "| %s | %s |\n", s.id, strings.Join(rest, ", "))
		}
	}
}

// printTable prints the scenarios that have a figure for any of the columns.
func printTable(w io.Writer, scenarios []scenario, results map[string]figures, columns []column) {
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	fmt.Fprintf(w, "\n| | %s |\n|---|%s\n", strings.Join(titles, " | "), strings.Repeat("---:|", len(columns)))
	for _, s := range scenarios {
		var row []string
		for _, c := range columns {
			row = append(row, c.value(results[s.id]))
		}
		if strings.Join(row, "") != "" {
			fmt.Fprintf(w, "| %s | %s |\n", s.id, strings.Join(row, " | "))
		}
	}
}

func (c column) value(of figures) string {
	sum, known := 0.0, false
	for _, name := range c.of {
		v, ok := of[name]
		sum, known = sum+v, known || ok
	}
	if !known {
		return ""
	}
	return number(sum)
}

// number shows three digits that count, and all of those before the point.
func number(v float64) string {
	if v >= 100 || v <= -100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func list(of []float64) string {
	var out []string
	for _, v := range of {
		out = append(out, fmt.Sprintf("%.2f", v))
	}
	return strings.Join(out, ", ")
}

func wanted(v float64) string {
	if v == 0 {
		return ""
	}
	return number(v)
}
