package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRatioComparesWithinARound(t *testing.T) {
	t.Parallel()
	// In the second round the machine was half as fast, and the third was cut short.
	all := map[string][]figures{
		"E2": {{"per_s": 80}, {"per_s": 45}, {"per_s": 90}},
		"C2": {{"per_s": 100}, {"per_s": 50}},
	}
	r := ratio{of: "E2", to: "C2"}
	assert.Equal(t, []float64{0.8, 0.9}, r.rounds(all))
	assert.Equal(t, figures{"E2/C2": 0.9}, ratiosOf(all), "of ratios that have both sides")
}

func TestEveryRatioIsOfScenariosThatRunWithIt(t *testing.T) {
	t.Parallel()
	sets := map[string][]string{}
	for _, s := range (&bench{}).scenarios() {
		sets[s.id] = s.sets
	}
	for _, r := range ratios() {
		if assert.Contains(t, sets, r.of) && assert.Contains(t, sets, r.to) && r.wanted > 0 {
			assert.Contains(t, sets[r.of], setQuick, "%s has a target", r)
			assert.Contains(t, sets[r.to], setQuick, "%s has a target", r)
		}
	}
}

func TestColumnAddsWhatIsKnown(t *testing.T) {
	t.Parallel()
	c := column{title: "worker, bench", of: []string{"worker", "bench"}}
	assert.Equal(t, "242", c.value(figures{"worker": 234, "bench": 8}))
	assert.Equal(t, "8", c.value(figures{"bench": 8}))
	assert.Empty(t, c.value(figures{"temporal": 1}), "nothing known is not zero")
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 0.012345: "0.0123", 3.0752: "3.08", 99.94: "99.9", 1485.6: "1486", -120: "-120"} {
		assert.Equal(t, want, number(v))
	}
}

func TestNoFigureIsLost(t *testing.T) {
	t.Parallel()
	scenarios := []scenario{{id: "A1"}, {id: "E1"}, {id: "E2"}, {id: "F2"}, {id: "P1"}}
	results := map[string]figures{
		"A1": {"per_s": 81744, "worker_peak_mb": 347}, // memory, of a scenario without histories
		"E1": {"per_s": 1652},
		"E2": {"per_s": 1486, "cpu_us_per_recipient": 1212, "events_per_recipient": 3.08, "machine_hash_us": 32.7},
		"F2": {"per_s": 146, "alone_s": 0.228},
	}
	var out strings.Builder
	printFigures(&out, scenarios, results)
	for id, of := range results {
		for name, v := range of {
			assert.Regexp(t, `(?m)^\| `+id+` \|.*`+regexp.QuoteMeta(number(v)), out.String(), "%s of %s", name, id)
		}
	}
	assert.NotContains(t, out.String(), "P1", "it did not run")
}
