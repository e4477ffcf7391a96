package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/failpoint"
)

// crash kills the process that passes a point for the n-th time in a round. A round may pass it less
// often than the one that was counted, so n is lowered until it strikes; the first hit is the last resort.
func crash(p failpoint.Point, n int) fault {
	return atPoint(p, "crash", "kill", n)
}

// lostAnswer lets an effect happen, and whoever waits for it hear of a failure.
func lostAnswer(p failpoint.Point, n int) fault {
	return atPoint(p, "lost", "err", n)
}

// slow holds whoever passes the point, with whatever transaction is open there.
func slow(p failpoint.Point, n int) fault {
	return atPoint(p, "slow", "sleep:2s", n)
}

func atPoint(p failpoint.Point, kind, action string, n int) fault {
	return fault{
		name: fmt.Sprintf("%s/%s@%d", kind, p.Name, n),
		work: workFor(string(p.Name)),
		arm: func(_ context.Context, r *round) error {
			if r.work.startLate {
				r.w.lines.temporal.Refuse(true)
				r.w.lines.temporal.Reset()
			}
			return r.w.plan(r.key, fmt.Sprintf("%s %s@%d", p.Name, action, n))
		},
		// A round may pass the point less often than the one in which the hits were counted.
		again:  func() fault { return atPoint(p, kind, action, max(n/2, 1)) },
		struck: func(r *round) bool { return r.w.hasFired(r.key, string(p.Name)) },
		over:   func(r *round) time.Time { return r.w.firedAt(r.key, string(p.Name)) },
	}
}

// workFor is the work in which a point is passed at all.
func workFor(point string) work {
	group, _, _ := strings.Cut(point, ".")
	switch group {
	case "control", "temporal", "status":
		return work{steer: steerPause}
	case "rate":
		return work{steer: steerRate}
	case "round":
		return work{steer: steerRetry}
	case "cancel":
		return work{steer: steerCancel, slow: true}
	case "starter":
		return work{startLate: true}
	case "sweep":
		return work{waiting: newCustomers}
	case "park":
		return work{poison: 1}
	case "import":
		return work{file: fileRows}
	}
	return work{}
}

// crashPoints are the points at which a process may die, and those whose answer may be lost.
func crashPoints() (points, answers []failpoint.Point) {
	for _, p := range failpoint.Points() {
		if p.Name == failpoint.FailAfterCommit {
			continue // nothing here makes a campaign fail: that takes a template or rules that our doors refuse
		}
		points = append(points, p)
		if p.Lossy {
			answers = append(answers, p)
		}
	}
	return points, answers
}

// positions are the first, the middle and the last of so many hits.
func positions(hits int) []int {
	switch {
	case hits <= 1:
		return []int{1}
	case hits == 2:
		return []int{1, 2}
	}
	// Not quite the last one: rounds differ by a batch or two.
	return []int{1, (hits + 1) / 2, max(hits-hits/10, 2)}
}
