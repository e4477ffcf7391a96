// Package failpoint lets a test kill, stop, delay or deceive a role at a named instant between two of
// its effects, and counts how often each instant is passed.
//
// It owns the names, the plan that arms them and the records of what happened, all of it files in one
// directory that the processes of a test share. It decides nothing about recovery, and it is off
// unless a role was set up with a directory: a point then costs one atomic load. Workflow code has no
// points, for what it does must be a function of its history.
package failpoint

import (
	"sync/atomic"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// Name names an instant.
type Name string

// active is nil while failpoints are off.
var active atomic.Pointer[facility]

// Setup turns failpoints on for this process, which plays the role, or off when dir is empty. The
// directory must exist; what is in it is written and read at every point.
func Setup(role, dir string) error {
	if dir == "" {
		active.Store(nil)
		return nil
	}
	f, err := newFacility(role, dir)
	if err != nil {
		return err
	}
	active.Store(f)
	return nil
}

// Enabled reports whether failpoints are on.
func Enabled() bool { return active.Load() != nil }

// Hit passes a point. The action err means nothing here and does not fire.
func Hit(name Name) {
	if f := active.Load(); f != nil {
		f.hit(name, false)
	}
}

// Err passes a point behind an effect. The error that the action err gives says errs.Unknown: the
// effect happened, and the answer to it is reported as lost.
func Err(name Name) error {
	f := active.Load()
	if f == nil || !f.hit(name, true) {
		return nil
	}
	return errs.Errorf(errs.Unknown, "failpoint %s: done, but its answer is reported as lost", name)
}

// perform does what was planned and reports whether the caller is to give an error.
func perform(a action) bool {
	switch a.kind {
	case actionKill:
		die()
	case actionStop:
		freeze()
	case actionSleep:
		time.Sleep(a.pause)
	case actionErr:
		return true
	}
	return false
}
