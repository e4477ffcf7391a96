package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// plan is what the failpoints of every role do from now on; "" lets them count only. The id tells the
// plan of one round from another's.
func (w *world) plan(id string, lines ...string) error {
	text := "plan " + id + "\n" + strings.Join(lines, "\n") + "\n"
	path := filepath.Join(w.failpoints, "plan")
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path) // so that no role reads half a plan
}

// hasFired reports whether a point of a plan has done what the plan says.
func (w *world) hasFired(plan, point string) bool {
	_, err := os.Stat(filepath.Join(w.failpoints, "fired", plan, point))
	return err == nil
}

// firedAt is when a point of a plan has done what the plan says, zero if it has not.
func (w *world) firedAt(plan, point string) time.Time {
	raw, err := os.ReadFile(filepath.Join(w.failpoints, "fired", plan, point))
	if err != nil {
		return time.Time{}
	}
	var role string
	var pid, nanos int64
	if _, err := fmt.Sscan(string(raw), &role, &pid, &nanos); err != nil {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}

// hits is how often a point was passed under a plan, in all processes together.
func (w *world) hits(plan, point string) int {
	info, err := os.Stat(filepath.Join(w.failpoints, "hits", plan, point))
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// gateTime holds the engine in a phase long enough for the harness to see it and to strike.
const gateTime = "400ms"

// openGate arms a sleep at the point that marks a phase, if the phase needs one.
func (w *world) openGate(p phase, plan string) error {
	if p.gate() == "" {
		return w.plan(plan)
	}
	return w.plan(plan, fmt.Sprintf("%s sleep:%s@1", p.gate(), gateTime))
}

func (w *world) gateReached(point, plan string) bool { return w.hasFired(plan, point) }
