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

// Role is one child process of the product's binary. Its log and its pid file bear its name.
type Role struct {
	Name string
	Args []string
	Env  map[string]string
}

// Supervisor keeps roles running: one that ends without being asked to is started again.
type Supervisor struct {
	// Binary is the product; Logs and Pids are directories.
	Binary, Logs, Pids string
	// Notice is told of each end that nobody asked for, from the role's own goroutine.
	Notice func(string)

	running sync.WaitGroup
}

// Start begins to supervise r until ctx ends, which ends r in an orderly way.
func (s *Supervisor) Start(ctx context.Context, r Role) {
	s.running.Go(func() {
		// The kernel's parent-death signal is tied to the thread that forked, so this goroutine keeps
		// its thread for as long as the child may live.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for ctx.Err() == nil {
			err := s.Once(ctx, r)
			if ctx.Err() != nil {
				return
			}
			s.Notice(fmt.Sprintf("%s ended (%v), starting it again", r.Name, err))
			select {
			case <-ctx.Done():
			case <-time.After(restartPause):
			}
		}
	})
}

// Wait returns when every role has ended.
func (s *Supervisor) Wait() { s.running.Wait() }

// Pid gives the process id of a role, 0 while it is not running.
func (s *Supervisor) Pid(role string) int {
	raw, err := os.ReadFile(filepath.Join(s.Pids, role)) //nolint:gosec // our own state directory
	if err != nil {
		return 0
	}
	var pid int
	if _, err := fmt.Sscan(string(raw), &pid); err != nil {
		return 0
	}
	return pid
}

// Once runs r until it ends; the end of ctx ends it in an orderly way.
func (s *Supervisor) Once(ctx context.Context, r Role) error {
	log, err := os.OpenFile(filepath.Join(s.Logs, r.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                   // the child holds its own descriptor
	cmd := exec.CommandContext(ctx, s.Binary, r.Args...) //nolint:gosec // our own binary and arguments
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = os.Environ()
	for k, v := range r.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	if err := cmd.Start(); err != nil {
		return err
	}
	pidFile := filepath.Join(s.Pids, r.Name)
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	err = cmd.Wait()
	if rmErr := os.Remove(pidFile); rmErr != nil && !errors.Is(rmErr, os.ErrNotExist) {
		return errors.Join(err, rmErr)
	}
	return err
}
