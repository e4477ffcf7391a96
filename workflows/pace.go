package workflows

import (
	"time"

	"github.com/xencrm/xencrm/activities"
)

// pacer plans sends at a rate: each gets the time at which it is due, and the worker that has it waits for
// that. Temporal's timers alone are too coarse for a rate, for they may be a second late. Time is passed in,
// for it is the workflow's.
type pacer struct {
	// rate is sends per second; 0 is unlimited.
	rate float64
	// next is when the next one is due.
	next time.Time
}

// setRate changes the pace of what is planned from now on; a pacer that had no rate begins at start.
func (p *pacer) setRate(rate float64, start time.Time) {
	if p.rate == 0 {
		p.next = start
	}
	p.rate = rate
}

// hold plans nothing before a moment.
func (p *pacer) hold(until time.Time) { p.next = later(p.next, until) }

// plan gives when the first of n sends is due that follow each other at the rate: the zero time without a rate,
// false when that is too far ahead.
func (p *pacer) plan(n int, now time.Time) (due time.Time, ok bool) {
	if p.rate == 0 {
		return time.Time{}, true
	}
	if earliest := now.Add(-maxBurst); p.next.Before(earliest) {
		p.next = earliest
	}
	if p.next.After(now.Add(activities.MostAhead)) {
		return time.Time{}, false
	}
	due = p.next
	p.next = due.Add(p.span(n))
	return due, true
}

// giveBack returns the turns of n sends that were planned and not started.
func (p *pacer) giveBack(n int) {
	if p.rate > 0 {
		p.next = p.next.Add(-p.span(n))
	}
}

// wait is how long to sleep until more may be planned.
func (p *pacer) wait(now time.Time) time.Duration {
	return max(p.next.Sub(now)-activities.MostAhead, paceTick)
}

func (p *pacer) span(n int) time.Duration { return spread(n, p.rate) }

// spread is how long n sends take at a rate.
func spread(n int, rate float64) time.Duration {
	return time.Duration(float64(n) / rate * float64(time.Second))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
