package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/xencrm/xencrm/internal/campaign"
)

const (
	barWidth = 30
	// redraw is how often a line on a terminal is drawn again; lineEvery is how often a new line is
	// printed where the output is no terminal.
	redraw    = 100 * time.Millisecond
	lineEvery = 2 * time.Second
)

// screen prints for a person: one live line on a terminal, a line now and then elsewhere.
type screen struct {
	out  io.Writer
	live bool

	mu      sync.Mutex
	current string
	drawn   time.Time
}

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	live := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &screen{out: out, live: live}
}

// say prints a line that stays.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.out, format+"\n", args...)
	s.current = ""
}

// show replaces the live line.
func (s *screen) show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	every := lineEvery
	if s.live {
		every = redraw
	}
	if time.Since(s.drawn) < every {
		return
	}
	s.drawn = time.Now()
	if !s.live {
		fmt.Fprintln(s.out, line)
		return
	}
	s.erase()
	fmt.Fprint(s.out, line)
	s.current = line
}

// erase removes the live line; the caller holds the lock.
func (s *screen) erase() {
	if s.live && s.current != "" {
		fmt.Fprint(s.out, "\r\033[2K")
	}
}

// bar is the progress of something counted.
type bar struct {
	screen *screen
	what   string
	total  int
	start  time.Time
	mu     sync.Mutex
	done   int
}

func (s *screen) bar(what string, total int) *bar {
	return &bar{screen: s, what: what, total: total, start: time.Now()}
}

func (b *bar) step() {
	b.mu.Lock()
	b.done++
	done := b.done
	b.mu.Unlock()
	b.screen.show(fmt.Sprintf("  %s %s %d/%d", b.what, blocks(done, b.total), done, b.total))
}

func (b *bar) end() {
	took := time.Since(b.start)
	b.screen.say("  %s: %d in %s (%.0f/s)", b.what, b.total, took.Round(10*time.Millisecond), float64(b.total)/took.Seconds()) //nolint:mnd // to hundredths
}

func blocks(done, total int) string {
	full := 0
	if total > 0 {
		full = barWidth * done / total
	}
	return "[" + strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + "]"
}

// progressLine is the live line of a campaign.
func progressLine(p campaign.Progress, elapsed time.Duration) string {
	t := p.Totals
	if t.Audience == 0 {
		return fmt.Sprintf("  %s …", strings.ToLower(p.Phase))
	}
	rate := float64(t.Done()) / max(elapsed.Seconds(), 0.001) //nolint:mnd // not by zero
	left := "–"
	if t.Done() > 0 && rate > 0 {
		left = (time.Duration(float64(t.Audience-t.Done())/rate) * time.Second).String()
	}
	return fmt.Sprintf("  %s %3d%%  sent %d  delivered %d  failed %d  in flight %d  %.0f/s  left %s",
		blocks(t.Done(), t.Audience), 100*t.Done()/t.Audience, t.Sent, t.Delivered, t.Failed, t.InFlight, rate, left) //nolint:mnd // percent
}
