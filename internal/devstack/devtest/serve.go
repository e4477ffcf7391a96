package devtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/xencrm/xencrm/internal/devstack"
)

// slots is how many test processes can have a stack of their own of the same kind.
const slots = 64

// served is a server that was started for this process alone.
type served struct {
	envFile string
	// input is the write end of the server's standard input. It is here so that the garbage
	// collector does not close it: the server ends when it closes.
	input *os.File
}

// alone starts each kind of server at most once per test process.
var alone = map[string]func() (served, error){ //nolint:gochecknoglobals // Once per process is the point; never assigned again.
	"postgres": sync.OnceValues(func() (served, error) { return serve("postgres") }),
	"rabbitmq": sync.OnceValues(func() (served, error) { return serve("rabbitmq") }),
	"temporal": sync.OnceValues(func() (served, error) { return serve("temporal") }),
}

// serve runs teststack as a process of its own that ends when this one does, because the pipe to
// its input closes then: a test process has no last moment at which it could stop a server, and
// goroutines of ours would show up as leaks in the tests of its packages.
func serve(server string) (served, error) {
	root, err := devstack.Checkout()
	if err != nil {
		return served{}, err
	}
	dir, release, err := takeSlot(filepath.Join(root, ".dev", "test"), server)
	if err != nil {
		return served{}, err
	}
	defer release()
	envFile := filepath.Join(dir, "env")
	logPath := filepath.Join(dir, "teststack.log")
	log, err := os.Create(logPath)
	if err != nil {
		return served{}, fmt.Errorf("create the log: %w", err)
	}
	defer log.Close() //nolint:errcheck // The child has a copy.
	output, input, err := os.Pipe()
	if err != nil {
		return served{}, fmt.Errorf("make a pipe: %w", err)
	}
	defer output.Close() //nolint:errcheck // The child has a copy.
	cmd := exec.Command("go", "run", "./internal/devstack/cmd/teststack", "-serve", "-only", server, "-dir", dir)
	cmd.Dir = root
	cmd.Stdin, cmd.Stdout, cmd.Stderr = output, log, log
	// A Ctrl-C in the terminal ends the test; the server follows through the pipe.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return served{}, fmt.Errorf("start teststack: %w", err)
	}
	if err := waitServed(cmd.Process.Pid, envFile); err != nil {
		said, readErr := os.ReadFile(logPath)
		return served{}, errors.Join(err, readErr, errors.New(strings.TrimSpace(string(said))))
	}
	return served{envFile: envFile, input: input}, nil
}

// takeSlot finds a directory that no other test process uses. The slot is held until release,
// which is when the stack holds the directory itself.
func takeSlot(base, server string) (dir string, release func(), err error) {
	for n := range slots {
		dir = filepath.Join(base, fmt.Sprintf("%s-%d", server, n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", nil, fmt.Errorf("create %s: %w", dir, err)
		}
		slot, err := os.OpenFile(filepath.Join(dir, "slot"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", nil, fmt.Errorf("open %s: %w", dir, err)
		}
		// In this order: whoever had the slot before us has a stack by now that locks the directory.
		if syscall.Flock(int(slot.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && !devstack.InUse(dir) {
			// An old file would look like an answer.
			err := os.Remove(filepath.Join(dir, "env"))
			if err == nil || errors.Is(err, os.ErrNotExist) {
				return dir, func() { _ = slot.Close() }, nil
			}
		}
		_ = slot.Close() // Nothing was written.
	}
	return "", nil, fmt.Errorf("all directories %s/%s-* are in use: end other test runs", base, server)
}

// waitServed returns when the file with the addresses is there, or the child is gone. It asks for
// the child's end instead of waiting for it, because that would take a goroutine.
func waitServed(pid int, envFile string) error {
	deadline := time.Now().Add(startTime)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		if _, err := os.Stat(envFile); err == nil {
			return nil
		}
		ended, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		if ended == pid || err != nil {
			return errors.New("teststack ended before it was up")
		}
		<-tick.C
	}
	return fmt.Errorf("teststack is not up after %s", startTime)
}
