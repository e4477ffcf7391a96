package main

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// How many of each kind the smoke run takes.
const (
	smokeCrashes = 13
	smokeLost    = 4
	smokeInfra   = 4
)

// full is every fault there is: each crash point at its first, middle and last hit, each lost answer,
// each fault of the infrastructure in each phase, and everything that goes wrong together.
func full(o options, counted func(string) int) []fault {
	var all []fault
	points, answers := crashPoints()
	for _, p := range points {
		for _, n := range positions(counted(string(p.Name))) {
			all = append(all, crash(p, n))
		}
	}
	for _, p := range answers {
		for _, n := range positions(counted(string(p.Name))) {
			all = append(all, lostAnswer(p, n))
		}
	}
	all = append(all, lostOnTheWire(random(o.Seed))...)
	for _, f := range infrastructure() {
		for _, p := range phases() {
			all = append(all, f.in(p))
		}
	}
	all = append(all, deletions()...)
	all = append(all, compounds()...)
	return o.pick(append(all, pagedToo(all)...))
}

// pagedToo are the faults that concern sends, for a paged campaign: of the infrastructure in the middle.
func pagedToo(all []fault) []fault {
	var out []fault
	for _, f := range all {
		part, rest, _ := strings.Cut(f.name, "/")
		concerns := part == "compound" && f.name != "compound/edit-kill-cancel-late-receipts"
		switch part {
		case "crash", "lost":
			concerns = strings.HasPrefix(rest, "send.") || strings.HasPrefix(rest, "vendor")
		case "worker", "vendor", "postgres-business", "temporal":
			concerns = strings.HasSuffix(rest, "/"+string(send50))
		}
		if concerns {
			out = append(out, f.paged())
		}
	}
	return out
}

// paged is the fault in a paged campaign.
func (f fault) paged() fault {
	f.name += pagedSuffix
	f.work.paged = true
	if again := f.again; again != nil {
		f.again = func() fault { return again().paged() }
	}
	return f
}

// pagedSuffix marks a fault that strikes a paged campaign.
const pagedSuffix = "+paged"

// smoke is a sample of the same, drawn with the seed: crash points of every role, lost answers on every
// line, faults of different parts in different phases.
func smoke(o options, counted func(string) int) []fault {
	r := random(o.Seed)
	points, answers := crashPoints()
	byRole := map[string][]fault{}
	for _, p := range points {
		at := positions(counted(string(p.Name)))
		role := p.Role
		if strings.HasPrefix(string(p.Name), "import.") {
			role = "import" // so that there is always one: by role one in five runs would have one
		}
		byRole[role] = append(byRole[role], crash(p, at[r.IntN(len(at))]))
	}
	lost := map[string][]fault{}
	for _, p := range answers {
		at := positions(counted(string(p.Name)))
		group, _, _ := strings.Cut(string(p.Name), ".")
		lost[group] = append(lost[group], lostAnswer(p, at[r.IntN(len(at))]))
	}
	for _, f := range lostOnTheWire(r) {
		line := strings.Split(f.name, "/")[1]
		lost[line] = append(lost[line], f)
	}
	infra := map[string][]fault{}
	for _, f := range infrastructure() {
		part, _, _ := strings.Cut(f.name, "/")
		p := phases()
		infra[part] = append(infra[part], f.in(p[r.IntN(len(p))]))
	}
	chosen := draw(r, byRole, smokeCrashes)
	chosen = append(chosen, draw(r, lost, smokeLost)...)
	chosen = append(chosen, draw(r, infra, smokeInfra)...)
	for i, f := range chosen {
		if f.work.steer == steerNot && r.IntN(2) == 0 {
			chosen[i] = f.paged()
		}
	}
	return o.pick(chosen)
}

func random(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) // repeatable on purpose
}

// draw takes n faults, from as many groups as possible.
func draw(r *rand.Rand, groups map[string][]fault, n int) []fault {
	names := make([]string, 0, len(groups))
	for name := range groups {
		names = append(names, name)
	}
	slices.Sort(names) // the order of a map is not the seed's
	shuffle := func(n int, swap func(i, j int)) { r.Shuffle(n, swap) }
	shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		g := groups[name]
		shuffle(len(g), func(i, j int) { g[i], g[j] = g[j], g[i] })
	}
	var out []fault
	for depth := 0; len(out) < n; depth++ {
		before := len(out)
		for _, name := range names {
			if depth < len(groups[name]) && len(out) < n {
				out = append(out, groups[name][depth])
			}
		}
		if len(out) == before {
			break
		}
	}
	return out
}

// in is the fault in a phase.
func (f fault) in(p phase) fault {
	f.name += "/" + string(p)
	f.phase = p
	f.work.holdReceipts = f.work.holdReceipts || p == receipts
	return f
}

// pick leaves what --only names.
func (o options) pick(all []fault) []fault {
	return slices.DeleteFunc(all, func(f fault) bool { return !o.only.MatchString(f.name) })
}
