package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// stopGrace is what a role gets to finish its work after SIGTERM; a worker's is 30 s at most.
	stopGrace = 35 * time.Second
	// restartPause keeps a role that dies at once from taking a whole core.
	restartPause = 500 * time.Millisecond
)

// role is one child process of this binary.
type role struct {
	name string
	args []string
	env  map[string]string
}

// supervisor keeps roles running: one that ends without being asked to is started again.
type supervisor struct {
	binary  string
	logs    string
	pids    string
	running sync.WaitGroup
	notice  func(string)
}

// start begins to supervise r until ctx ends.
func (s *supervisor) start(ctx context.Context, r role) {
	s.running.Go(func() {
		// The kernel's parent-death signal is tied to the thread that forked, so this goroutine keeps
		// its thread for as long as the child may live.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for ctx.Err() == nil {
			err := s.once(ctx, r)
			if ctx.Err() != nil {
				return
			}
			s.notice(fmt.Sprintf("%s ended (%v), starting it again", r.name, err))
			select {
			case <-ctx.Done():
			case <-time.After(restartPause):
			}
		}
	})
}

// wait returns when every role has ended.
func (s *supervisor) wait() { s.running.Wait() }

func (s *supervisor) once(ctx context.Context, r role) error {
	log, err := os.OpenFile(filepath.Join(s.logs, r.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                   // the child holds its own descriptor
	cmd := exec.CommandContext(ctx, s.binary, r.args...) //nolint:gosec // our own binary and arguments
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = os.Environ()
	for k, v := range r.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	if err := cmd.Start(); err != nil {
		return err
	}
	pidFile := filepath.Join(s.pids, r.name)
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	err = cmd.Wait()
	if rmErr := os.Remove(pidFile); rmErr != nil && !errors.Is(rmErr, os.ErrNotExist) {
		return errors.Join(err, rmErr)
	}
	return err
}
