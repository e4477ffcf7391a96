package failpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of actions, as a plan spells them.
const (
	actionKill  = "kill"  // SIGKILL to this process
	actionStop  = "stop"  // SIGSTOP to this process
	actionSleep = "sleep" // with a duration: sleep:2s
	actionErr   = "err"   // the effect is reported as lost
)

// plan is what fires: at most one action a point.
type plan struct {
	id      string
	actions map[Name]action
}

// action is done at the at-th hit since the plan was loaded, from 1.
type action struct {
	kind  string
	pause time.Duration
	at    int
}

// noPlan counts only.
func noPlan() plan { return plan{id: "none"} }

// planID is a name that can be a directory's, and none that leads out of it.
var planID = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

// parsePlan reads "plan <id>" and then lines of "<name> <action>@<n>". Empty lines mean nothing.
func parsePlan(text string) (plan, error) {
	head, rest, _ := strings.Cut(text, "\n")
	words := strings.Fields(head)
	if len(words) != 2 || words[0] != "plan" || !planID.MatchString(words[1]) {
		return plan{}, fmt.Errorf("the first line %q is not: plan <id>", head)
	}
	p := plan{id: words[1], actions: map[Name]action{}}
	for line := range strings.Lines(rest) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := p.add(words); err != nil {
			return plan{}, fmt.Errorf("line %q: %w", strings.TrimSpace(line), err)
		}
	}
	return p, nil
}

func (p plan) add(words []string) error {
	if len(words) != 2 {
		return fmt.Errorf("it is not: <name> <action>@<n>")
	}
	name := Name(words[0])
	point, known := find(name)
	if !known {
		return fmt.Errorf("there is no such point")
	}
	if _, twice := p.actions[name]; twice {
		return fmt.Errorf("the point has an action already, and fires once")
	}
	a, err := parseAction(words[1])
	if err != nil {
		return err
	}
	if a.kind == actionErr && !point.Lossy {
		return fmt.Errorf("the point has no answer to lose")
	}
	p.actions[name] = a
	return nil
}

// parseAction reads "kill@3" or "sleep:2s@1".
func parseAction(text string) (action, error) {
	what, count, _ := strings.Cut(text, "@")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		return action{}, fmt.Errorf("after @ there must be a number from 1")
	}
	kind, argument, hasArgument := strings.Cut(what, ":")
	a := action{kind: kind, at: n}
	if kind == actionSleep {
		a.pause, err = time.ParseDuration(argument)
		if err != nil || a.pause < 0 {
			return action{}, fmt.Errorf("sleep needs a duration, as in sleep:2s@1")
		}
		return a, nil
	}
	if hasArgument || !slices.Contains([]string{actionKill, actionStop, actionErr}, kind) {
		return action{}, fmt.Errorf("the action is none of kill, stop, sleep:<duration>, err")
	}
	return a, nil
}
