package devstack

import (
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/xencrm/xencrm/internal/errs"
)

// watchdogScript waits until its standard input closes, which is when we are gone, however that
// came about. Then it ends the servers of the stack in the directory $1, whose command names are $2.
//
// PostgreSQL gets SIGQUIT first: the postmaster then takes its backends with it. Everything else is
// safe to kill at once: that is what quorum queues and a write-ahead log are for. After two seconds
// PostgreSQL is killed too; after ten there is nothing left to try.
//
// It knows processes by working directory and name, as strays does, not by pids it was told: a pid
// may have been given to someone else by then.
const watchdogScript = `
while read -r _; do :; done
names=$2
ours() {
  ls -ld /proc/[0-9]*/cwd 2>/dev/null | while read -r line; do
    case "$line/" in *" -> $1/postgres/"*|*" -> $1/rabbitmq/"*|*" -> $1/temporal/"*) ;; *) continue ;; esac
    pid=${line#*/proc/}; pid=${pid%%/*}
    read -r name 2>/dev/null </proc/$pid/comm || continue
    case "$name" in temporal-dev*) ;; *) case " $names " in *" $name "*) ;; *) continue ;; esac ;; esac
    echo "$pid $name"
  done
}
round=0
while [ $round -lt 100 ]; do
  left=$(ours "$1")
  [ -z "$left" ] && exit 0
  echo "$left" | while read -r pid name; do
    sig=KILL
    [ "$name" = postgres ] && [ $round -lt 20 ] && sig=QUIT
    [ "$sig" = QUIT ] && [ $round -gt 0 ] && continue
    kill -s $sig "$pid" 2>/dev/null
  done
  sleep 0.1
  round=$((round + 1))
done
`

// watchdog outlives us just long enough to end the servers.
type watchdog struct {
	cmd  *exec.Cmd
	pipe *os.File // the only write end; the kernel closes it when we die
}

// newWatchdog starts a watchdog for dir. It keeps lock open, and with it the directory locked,
// until it is done: the next start waits for that.
func newWatchdog(dir string, lock *os.File) (*watchdog, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "make the watchdog's pipe")
	}
	defer read.Close() //nolint:errcheck // The child has its own copy.
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "watchdog", dir, strings.Join(serverNames(), " "))
	cmd.Stdin = read
	cmd.ExtraFiles = []*os.File{lock}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + childPath, "LC_ALL=C"}
	// A session of its own: neither a Ctrl-C nor a signal to our process group may reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = write.Close() // Never used.
		return nil, errs.Wrap(errs.Internal, err, "start the watchdog")
	}
	return &watchdog{cmd: cmd, pipe: write}, nil
}

// close lets the watchdog do its round, which finds nothing after an orderly stop, and waits for it.
func (w *watchdog) close() error {
	if err := w.pipe.Close(); err != nil {
		return errs.Wrap(errs.Internal, err, "close the watchdog's pipe")
	}
	if err := w.cmd.Wait(); err != nil {
		return errs.Wrap(errs.Internal, err, "end the watchdog")
	}
	return nil
}
