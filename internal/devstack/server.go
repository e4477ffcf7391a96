package devstack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// program is what differs between the three servers.
type program interface {
	// title is the server's name for people.
	title() string
	// prepare brings to the disk what the server needs. It runs once per stack.
	prepare(ctx context.Context) error
	// claim chooses the ports. It runs until the server answered for the first time.
	claim() error
	// launches returns the server's process and those that it needs beside it, which stay when
	// the server ends and comes back.
	launches() (server launch, helpers []launch, err error)
	// probe reports whether the server answers.
	probe(ctx context.Context) error
	// started does what can only be done to a running server. Doing it again changes nothing.
	started(ctx context.Context) error
	// stopSignal asks the server to end in an orderly way.
	stopSignal() syscall.Signal
}

// Server is one server of a stack. Its methods are for fault tests and safe for concurrent use. A
// server that ended comes back on the same ports with its data.
type Server struct {
	name string
	prog program
	st   *Stack
	log  *serverLog
	main atomic.Pointer[process]

	mu      sync.Mutex // held for as long as a start or a stop takes
	helpers []*process
	wanted  bool // false once it was stopped on purpose: the supervisor leaves it alone
	settled bool // it answered once: its ports no longer change
}

const (
	// startTries is how often a start is repeated with other ports when the server ends at once:
	// another process may have taken a port between our look and its bind.
	startTries = 3

	// A supervised server is started again after a pause that doubles from the first to the last
	// of these, so that one that cannot start does not occupy the machine.
	firstPause, lastPause = 200 * time.Millisecond, 5 * time.Second
)

// Pid returns the process id, 0 when the server does not run.
func (s *Server) Pid() int {
	if p := s.main.Load(); p != nil && p.alive() {
		return p.pid
	}
	return 0
}

// Start starts the server if it does not run, and returns when it answers. The context bounds the
// start only.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = true
	return s.startLocked(ctx)
}

// Stop ends the server in an orderly way, and by force when that takes too long.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = false
	err := s.endMain(ctx)
	for _, h := range s.helpers {
		if h.alive() {
			err = firstError(err, h.signal(syscall.SIGKILL))
			<-h.done
		}
	}
	s.helpers = nil
	err = firstError(err, s.endRest(context.WithoutCancel(ctx)))
	return firstError(err, removeFile(s.pidPath()))
}

// Restart is Stop and then Start.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Kill ends the server and its children with SIGKILL, as a crash would, and returns when they are
// gone. A supervised stack brings it back.
//
// RabbitMQ 3.10 loses a quorum queue that was declared less than about a second before: it comes
// back without a leader, and everything asked of it hangs. A test that kills the broker restarts it
// once after it declared its queues; messages are safe from when they are confirmed.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.killLocked()
}

// Pause stops the server's processes from running without ending them: it hangs, and its
// connections stay open.
func (s *Server) Pause() error { return s.signalTree(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() error { return s.signalTree(syscall.SIGCONT) }

func (s *Server) startLocked(ctx context.Context) error {
	if s.Pid() != 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var err error
	for range startTries {
		if err = s.try(ctx); err == nil || ctx.Err() != nil || errs.Is(err, errs.Conflict) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := s.prog.started(ctx); err != nil {
		return firstError(err, s.killLocked())
	}
	s.settled = true
	p := s.main.Load()
	s.st.watchers.Go(func() { s.watch(p) })
	return writeFile(s.pidPath(), []byte(strconv.Itoa(p.pid)+"\n"))
}

// try starts the processes once and waits until the server answers.
func (s *Server) try(ctx context.Context) error {
	// After a crash of the server alone, its children may hold its ports for a moment.
	if err := s.endRest(ctx); err != nil {
		return err
	}
	if !s.settled {
		if err := s.prog.claim(); err != nil {
			return err
		}
	}
	if err := s.launch(); err != nil {
		return err
	}
	p := s.main.Load()
	err := poll(ctx, func() error {
		if !p.alive() {
			return nil
		}
		return s.prog.probe(ctx)
	})
	switch {
	case !p.alive():
		err = errs.Errorf(errs.Unavailable, "%s ended while it started (%s): %s; more in %s",
			s.prog.title(), p.reason(), s.log.said(), s.log.path)
	case err != nil:
		err = errs.Errorf(errs.Unavailable, "%s did not answer in time (%s); see %s", s.prog.title(), err, s.log.path)
	default:
		return nil
	}
	return firstError(err, s.killLocked())
}

func (s *Server) launch() error {
	server, helpers, err := s.prog.launches()
	if err != nil {
		return err
	}
	out, err := s.log.open()
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // The children have copies of their own.
	start := func(l launch) (*process, error) {
		l.log, l.as = out, s.st.place.tenant
		return s.st.spawner.start(l.command())
	}
	if !slices.ContainsFunc(s.helpers, (*process).alive) {
		s.helpers = nil
		for _, h := range helpers {
			p, err := start(h)
			if err != nil {
				return err
			}
			s.helpers = append(s.helpers, p)
		}
	}
	p, err := start(server)
	if err != nil {
		return err
	}
	s.main.Store(p)
	return nil
}

// watch waits for the end of p. A supervised server that nobody stopped is started again.
func (s *Server) watch(p *process) {
	<-p.done
	o := s.st.options
	if !o.Supervise {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for pause := firstPause; s.wanted && s.Pid() == 0 && s.st.ctx.Err() == nil; pause = min(2*pause, lastPause) {
		o.Progress(fmt.Sprintf("%s ended (%s): starting it again", s.prog.title(), p.reason()))
		err := s.startLocked(s.st.ctx)
		if err == nil {
			o.Progress(s.prog.title() + " is back")
			return
		}
		o.Progress(err.Error())
		s.mu.Unlock()
		select {
		case <-s.st.ctx.Done():
		case <-time.After(pause):
		}
		s.mu.Lock()
	}
}

// endMain ends the server's own process: politely, then by force.
func (s *Server) endMain(ctx context.Context) error {
	p := s.main.Load()
	if p == nil || !p.alive() {
		return nil
	}
	// A paused server would not hear the request.
	if err := s.Resume(); err != nil {
		return err
	}
	if err := p.signal(s.prog.stopSignal()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return s.killLocked()
	}
}

func (s *Server) killLocked() error {
	p := s.main.Load()
	if p == nil {
		return nil
	}
	if err := s.signalTree(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return s.endRest(context.Background())
}

// signalTree signals the server and everything it forked. The parent comes first, so that it forks
// nothing more while its children are listed.
func (s *Server) signalTree(sig syscall.Signal) error {
	p := s.main.Load()
	if p == nil || !p.alive() {
		return nil
	}
	children := descendants(p.pid)
	if err := p.signal(sig); err != nil {
		return err
	}
	for _, pid := range append(children, descendants(p.pid)...) {
		// One that is gone by now needs no signal.
		_ = syscall.Kill(pid, sig)
	}
	return nil
}

// endRest kills what a server that ended left behind, but not its helpers.
func (s *Server) endRest(ctx context.Context) error {
	var keep []int
	for _, h := range s.helpers {
		if h.alive() {
			keep = append(keep, h.pid)
		}
	}
	return endStraysIn(ctx, filepath.Join(s.st.place.state, s.name), keep...)
}

func (s *Server) pidPath() string { return filepath.Join(s.st.place.pids, s.name) }

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return unwritable(path, err)
	}
	return nil
}

func firstError(errors ...error) error {
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return nil
}
