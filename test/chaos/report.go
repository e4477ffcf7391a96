package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report is what a run found.
type report struct {
	Seed       uint64    `json:"seed"`
	Recipients int       `json:"recipients"`
	Rounds     []verdict `json:"rounds"`

	failed bool
}

func (r *report) add(v verdict) {
	r.Rounds = append(r.Rounds, v)
	r.failed = len(v.Violations) > 0
}

// lastFailed reports whether the last round violated something; goOn forgets it, in a new world.
func (r *report) lastFailed() bool { return r.failed }

func (r *report) goOn() { r.failed = false }

// String is the line of a round.
func (v verdict) String() string {
	state := "held"
	switch {
	case len(v.Violations) > 0:
		state = "VIOLATED"
	case v.Vacuous:
		state = "VACUOUS: the fault did not strike"
	}
	line := fmt.Sprintf("%-52s %s (%s, books closed %s after the fault, %d requests repeated)", v.Fault, state,
		v.Took.Round(100*time.Millisecond), v.Recovered.Round(100*time.Millisecond), v.Retried)
	lines := []string{line}
	for _, broken := range v.Violations {
		lines = append(lines, broken.ID+": "+broken.Text)
	}
	return strings.Join(lines, "\n      ")
}

// print sums the run up. A round that proves nothing fails it as a violation does.
func (r *report) print(took time.Duration) error {
	kinds := map[string]int{}
	var recovered []time.Duration
	violated, vacuous := 0, 0
	for _, v := range r.Rounds {
		kind, _, _ := strings.Cut(v.Fault, "/")
		kinds[kind]++
		recovered = append(recovered, v.Recovered)
		if len(v.Violations) > 0 {
			violated++
		}
		if v.Vacuous {
			vacuous++
		}
	}
	slices.Sort(recovered)
	fmt.Printf("\nseed %d: %d rounds of %d recipients in %s, %d violated, %d vacuous\n",
		r.Seed, len(r.Rounds), r.Recipients, took.Round(time.Second), violated, vacuous)
	fmt.Printf("from the end of the fault to closed books: median %s, longest %s\n",
		recovered[len(recovered)/2].Round(time.Millisecond), recovered[len(recovered)-1].Round(time.Millisecond))
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("  %-20s %d\n", name, kinds[name])
	}
	if violated+vacuous > 0 {
		return fmt.Errorf("%d rounds violated, %d vacuous", violated, vacuous)
	}
	return nil
}
