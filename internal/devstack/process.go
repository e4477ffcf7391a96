package devstack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/xencrm/xencrm/internal/errs"
)

// launch describes one process.
type launch struct {
	path string
	args []string
	env  []string
	// dir must lie below the directory of the servers: it is how strays are recognised.
	dir string
	as  *account
	log *os.File
	// onOrphaned is what the kernel sends when we die.
	onOrphaned syscall.Signal
}

func (l launch) command() *exec.Cmd {
	cmd := exec.Command(l.path, l.args...)
	cmd.Env, cmd.Dir = l.env, l.dir
	if l.log != nil {
		cmd.Stdout, cmd.Stderr = l.log, l.log
	}
	// A process group of its own keeps a Ctrl-C in the terminal from reaching the servers: Stop
	// ends them in its own way and order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if l.as != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: l.as.uid, Gid: l.as.gid, Groups: []uint32{}}
	}
	if l.onOrphaned != 0 {
		signalWhenOrphaned(cmd.SysProcAttr, l.onOrphaned)
	}
	return cmd
}

// process is a started child that is waited for.
type process struct {
	pid  int
	done chan struct{}
	err  error // why it ended; read it after done is closed
}

// spawner starts children from one thread that lives as long as the stack. The kernel's "signal me
// when my parent dies" means the thread that forked, and Go ends threads when it likes.
type spawner struct {
	calls chan func()
	ended chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{calls: make(chan func()), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		// Never unlocked: the thread ends with the goroutine, and takes what is left with it.
		runtime.LockOSThread()
		for call := range s.calls {
			call()
		}
	}()
	return s
}

// start runs cmd and waits for it in the background.
func (s *spawner) start(cmd *exec.Cmd) (*process, error) {
	started := make(chan error)
	s.calls <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "start "+cmd.Path)
	}
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// close ends the thread. Call it when every child is gone.
func (s *spawner) close() {
	close(s.calls)
	<-s.ended
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends sig and ignores that the process is gone already.
func (p *process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return errs.Wrap(errs.Internal, err, fmt.Sprintf("signal process %d", p.pid))
	}
	return nil
}

// reason says how a process ended, for a message.
func (p *process) reason() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}
