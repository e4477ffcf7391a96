package workflows

import "time"

// pacer turns a rate into permissions to send. Time is passed in, for it is the workflow's.
type pacer struct {
	// rate is permissions per second; 0 is unlimited.
	rate      float64
	allowance float64
	last      time.Time
}

// setRate changes the pace from now on; what was saved up under the old one is dropped.
func (p *pacer) setRate(rate float64, now time.Time) {
	if rate == p.rate {
		return
	}
	p.rate, p.allowance, p.last = rate, 0, now
}

// take asks for one permission.
func (p *pacer) take(now time.Time) bool {
	if p.rate == 0 {
		return true
	}
	p.accrue(now)
	if p.allowance < 1 {
		return false
	}
	p.allowance--
	return true
}

// takeMany asks for n permissions that are used up one after the other at the rate. credit is for how
// long permissions have been saved up already.
func (p *pacer) takeMany(n int, now time.Time) (credit time.Duration, ok bool) {
	if !p.take(now) {
		return 0, false
	}
	if p.rate > 0 {
		credit = time.Duration(p.allowance / p.rate * float64(time.Second))
		p.allowance -= float64(n - 1)
	}
	return credit, true
}

// giveBack returns permissions that were taken and not used.
func (p *pacer) giveBack(n int) { p.allowance += float64(n) }

// wait is how long to sleep until take may succeed again.
func (p *pacer) wait() time.Duration {
	missing := time.Duration((1 - p.allowance) / p.rate * float64(time.Second))
	return max(missing, paceTick)
}

func (p *pacer) accrue(now time.Time) {
	if p.last.IsZero() {
		p.last = now
	}
	// One whole permission on top, or a slow lane would lose what it saved up between two looks.
	limit := 1 + p.rate*maxBurst.Seconds()
	p.allowance = min(p.allowance+p.rate*now.Sub(p.last).Seconds(), limit)
	p.last = now
}
