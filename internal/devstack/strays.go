package devstack

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// proc is what /proc tells about a process that is not a zombie.
type proc struct {
	pid, parent int
	name        string
	dir         string // working directory
}

// serverNames are the command names of every process that our servers consist of. Together with a
// working directory below ours they say that a process is ours, also when its parent is gone; a
// shell or an editor that stands in the directory has another name.
func serverNames() []string {
	return []string{"postgres", "initdb", "beam.smp", "epmd", "erl_child_setup", "inet_gethost"}
}

func (p proc) isServer() bool {
	return slices.Contains(serverNames(), p.name) || strings.HasPrefix(p.name, temporalName)
}

func (p proc) below(dir string) bool {
	return p.dir == dir || strings.HasPrefix(p.dir, dir+string(filepath.Separator))
}

// processes reads the process table. A process that ends meanwhile is left out.
func processes() []proc {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	procs := make([]proc, 0, len(entries))
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := readProc(pid); ok {
			procs = append(procs, p)
		}
	}
	return procs
}

func readProc(pid int) (proc, bool) {
	base := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(base, "stat"))
	if err != nil {
		return proc{}, false
	}
	// "pid (name) state parent ...": the name may hold spaces and parentheses.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return proc{}, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return proc{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return proc{}, false
	}
	// Not readable for processes of others: then it is not ours either.
	dir, err := os.Readlink(filepath.Join(base, "cwd"))
	if err != nil {
		dir = ""
	}
	return proc{pid: pid, parent: parent, name: string(stat[open+1 : end]), dir: dir}, true
}

// strays returns the server processes that work in the directories of a stack's servers, whoever started
// them. Another stack may lie elsewhere below the same directory, as that of the tests does below the
// demo's: its servers are none of ours.
func strays(state string) []int {
	var pids []int
	for _, dir := range serverDirs(state) {
		pids = append(pids, straysIn(dir)...)
	}
	return pids
}

// serverDirs are the directories in which a stack's servers work.
func serverDirs(state string) []string {
	return []string{
		filepath.Join(state, postgresName), filepath.Join(state, rabbitName), filepath.Join(state, temporalStateName),
	}
}

// straysIn returns the server processes that work below one directory.
func straysIn(dir string) []int {
	var pids []int
	for _, p := range processes() {
		if p.isServer() && p.below(dir) {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// descendants returns the living children of pid, their children, and so on.
func descendants(pid int) []int {
	children := map[int][]int{}
	for _, p := range processes() {
		children[p.parent] = append(children[p.parent], p.pid)
	}
	var all []int
	for next := children[pid]; len(next) > 0; {
		all = append(all, next...)
		var below []int
		for _, child := range next {
			below = append(below, children[child]...)
		}
		next = below
	}
	return all
}

// endStrays kills what a killed run left of a stack's servers and waits until it is gone.
func endStrays(ctx context.Context, state string) error {
	for _, dir := range serverDirs(state) {
		if err := endStraysIn(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// endStraysIn does so for one directory. The processes in keep are left alone.
func endStraysIn(ctx context.Context, dir string, keep ...int) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return poll(ctx, func() error {
		left := slices.DeleteFunc(straysIn(dir), func(pid int) bool { return slices.Contains(keep, pid) })
		for _, pid := range left {
			// One that is gone by now, or is not ours to signal, shows in the next look.
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(left) > 0 {
			return errs.Errorf(errs.Conflict, "processes %v still use %s: end them", left, dir)
		}
		return nil
	})
}

// poll calls probe until it succeeds, and returns its last error when ctx ends.
func poll(ctx context.Context, probe func() error) error {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
