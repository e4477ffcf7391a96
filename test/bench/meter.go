package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// ticksPerSecond is the unit of CPU times in /proc on every Linux that Go runs on.
const ticksPerSecond = 100

// meter reads what a scenario costs: between start and figures nothing else must run.
type meter struct {
	b     *bench
	begin databaseWork
	cpu   map[string]time.Duration
}

// processes are the roots of the process trees that are told apart.
func (b *bench) processes() map[string]int {
	out := map[string]int{
		"temporal": b.system.Stack.Temporal().Pid(), "postgres": b.system.Stack.Postgres().Pid(),
		"rabbitmq": b.system.Stack.Rabbit().Pid(),
		"bench":    os.Getpid(), // it runs the workers of the ceilings
	}
	for _, role := range []string{"worker", "consumer", "api", "relay", "mock-vendor"} {
		out[role] = b.system.Pid(role)
	}
	return out
}

func (b *bench) startMeter(ctx context.Context) (*meter, error) {
	m := &meter{b: b, cpu: cpuTimes(b.processes())}
	var err error
	m.begin, err = b.databaseWork(ctx)
	return m, err
}

// figures gives the cost per recipient since the start.
func (m *meter) figures(ctx context.Context, recipients int) (figures, error) {
	n := float64(recipients)
	end, err := m.b.databaseWork(ctx)
	if err != nil {
		return nil, err
	}
	out := figures{
		"commits_per_recipient":   float64(end.commits-m.begin.commits) / n,
		"wal_bytes_per_recipient": float64(end.wal-m.begin.wal) / n,
	}
	if changes := end.changes - m.begin.changes; changes > 0 {
		out["heap_only_updates"] = float64(end.heapOnly-m.begin.heapOnly) / float64(changes)
	}
	all := time.Duration(0)
	for name, now := range cpuTimes(m.b.processes()) {
		used := now - m.cpu[name]
		all += used
		out["cpu_us_per_recipient_"+name] = float64(used.Microseconds()) / n
	}
	out["cpu_us_per_recipient"] = float64(all.Microseconds()) / n
	return out, nil
}

// databaseWork counts what the business database has done.
type databaseWork struct {
	// commits are those of the business database, reads included; wal is in bytes, of its whole server.
	commits, wal int64
	// changes are those of the ledger's rows, heapOnly the ones of them that needed no new index entries.
	changes, heapOnly int64
}

// databaseWork reads the counters. Each session publishes its own with a delay of up to a second.
func (b *bench) databaseWork(ctx context.Context) (databaseWork, error) {
	var w databaseWork
	err := b.business.QueryRow(ctx, `SELECT xact_commit, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, n_tup_upd, n_tup_hot_upd
		FROM pg_stat_database, pg_stat_user_tables
		WHERE datname = current_database() AND relname = 'communication_log'`).Scan(&w.commits, &w.wal, &w.changes, &w.heapOnly)
	return w, err
}

// cpuTimes sums the CPU time of each process and its descendants, those that have ended included.
func cpuTimes(roots map[string]int) map[string]time.Duration {
	out := map[string]time.Duration{}
	for name, all := range trees(roots) {
		for _, p := range all {
			out[name] += p.used
		}
	}
	return out
}

// peaks give the most memory that each process has used since it started; of several processes, the largest one's,
// which for PostgreSQL is a session's with the shared buffers that it has touched.
func (b *bench) peaks() figures {
	out := figures{}
	for name, all := range trees(b.processes()) {
		for _, p := range all {
			out[name+"_peak_mb"] = max(out[name+"_peak_mb"], peakMB(p.pid))
		}
	}
	return out
}

// process is what proc(5) tells of one; used is its CPU time, with that of children that it has waited for.
type process struct {
	pid, parent int
	used        time.Duration
}

// trees gives the processes under each root and the root itself.
func trees(roots map[string]int) map[string][]process {
	found := map[int]process{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if p, err := readProcess(path); err == nil { // it may have ended meanwhile
			found[p.pid] = p
		}
	}
	names := map[int]string{}
	for name, root := range roots {
		names[root] = name
	}
	out := map[string][]process{}
	for pid, p := range found {
		for at := pid; at > 1; at = found[at].parent { // the nearest root: the bench is an ancestor of the others
			if name, ok := names[at]; ok {
				out[name] = append(out[name], p)
				break
			}
		}
	}
	return out
}

// readProcess reads proc(5)'s stat: the fields behind the name, which may hold blanks.
func readProcess(path string) (process, error) {
	var p process
	raw, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	f := strings.Fields(rest)
	if len(f) < 15 {
		return p, fmt.Errorf("%s has %d fields", path, len(f))
	}
	if p.pid, err = strconv.Atoi(filepath.Base(filepath.Dir(path))); err != nil {
		return p, err
	}
	if p.parent, err = strconv.Atoi(f[1]); err != nil {
		return p, err
	}
	for _, field := range f[11:15] { // utime, stime, and those of children that were waited for
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return p, err
		}
		p.used += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return p, nil
}

// historyWork is what a campaign left in Temporal, its lanes and pages and all their runs together.
type historyWork struct{ events, largest, bytes, transitions int64 }

func (b *bench) histories(ctx context.Context, id string) (historyWork, error) {
	var all historyWork
	query := fmt.Sprintf("WorkflowId BETWEEN %q AND %q", "campaign-"+id, "campaign-"+id+"~")
	var token []byte
	for {
		page, err := b.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: token})
		if err != nil {
			return all, err
		}
		for _, w := range page.GetExecutions() {
			all.events += w.GetHistoryLength()
			all.largest = max(all.largest, w.GetHistoryLength())
			all.bytes += w.GetHistorySizeBytes()
			all.transitions += w.GetStateTransitionCount()
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return all, nil
		}
	}
}

// peakMB is the most memory that a process has used since it started, 0 if it has ended.
func peakMB(pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		var kb float64
		if n, err := fmt.Sscanf(line, "VmHWM: %f kB", &kb); err == nil && n == 1 {
			return kb / 1024
		}
	}
	return 0
}
