package failpoint

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
)

// passEnv tells the test binary to pass points instead of testing: a directory, and on standard input
// one name a line. It answers each with what Err gave.
const passEnv = "FAILPOINT_TEST_DIRECTORY"

func TestMain(m *testing.M) {
	dir := os.Getenv(passEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := Setup("tester", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Fprintln(os.Stdout, Err(Name(in.Text())) != nil)
	}
}

// deadline is longer than any healthy step of a child takes, on a busy machine.
const deadline = 20 * time.Second

// child passes points in a process of its own.
type child struct {
	cmd    *exec.Cmd
	in     interface{ Write([]byte) (int, error) }
	close  func() error
	out    *bufio.Reader
	stderr *bytes.Buffer
}

func start(t *testing.T, dir string) *child {
	t.Helper()
	c := &child{cmd: exec.CommandContext(t.Context(), os.Args[0]), stderr: &bytes.Buffer{}}
	c.cmd.Env = append(os.Environ(), passEnv+"="+dir)
	c.cmd.Stderr = c.stderr
	in, err := c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.in, c.close, c.out = in, in.Close, bufio.NewReader(out)
	require.NoError(t, c.cmd.Start())
	return c
}

// pass passes a point and gives whether it gave an error; ok is false when the process is gone.
func (c *child) pass(name Name) (erred, ok bool) {
	if _, err := fmt.Fprintln(c.in, name); err != nil {
		return false, false
	}
	line, err := c.out.ReadString('\n')
	return strings.TrimSpace(line) == "true", err == nil
}

// end lets the child end by itself.
func (c *child) end(t *testing.T) {
	t.Helper()
	require.NoError(t, c.close())
	require.NoError(t, c.cmd.Wait(), c.stderr)
}

// killed gives whether the process died of SIGKILL.
func (c *child) killed() bool {
	_ = c.cmd.Wait() // the state says how it ended
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

func setPlan(t *testing.T, dir, text string) {
	t.Helper()
	path := filepath.Join(dir, "plan")
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

func hits(t *testing.T, dir, plan string, name Name) int {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, "hits", plan, string(name)))
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(t, err)
	return int(info.Size())
}

func TestFailpoints(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T, plan string) string {
		t.Helper()
		dir := t.TempDir()
		setPlan(t, dir, plan)
		return dir
	}

	t.Run("KillsAtTheCountedHitAndSaysSoBefore", func(t *testing.T) {
		t.Parallel()
		dir := setup(t, "plan p1\nnudge.before kill@2\n")
		c := start(t, dir)
		_, ok := c.pass(NudgeBefore)
		require.True(t, ok, c.stderr)
		_, ok = c.pass(NudgeBefore)
		require.False(t, ok)
		require.True(t, c.killed())
		require.Equal(t, 2, hits(t, dir, "p1", NudgeBefore))
		record, err := os.ReadFile(filepath.Join(dir, "fired", "p1", "nudge.before"))
		require.NoError(t, err)
		words := strings.Fields(string(record))
		require.Len(t, words, 3)
		require.Equal(t, []string{"tester", strconv.Itoa(c.cmd.Process.Pid)}, words[:2])
		at, err := strconv.ParseInt(words[2], 10, 64)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), time.Unix(0, at), time.Minute)
	})

	t.Run("FiresOnceAcrossRestarts", func(t *testing.T) {
		t.Parallel()
		dir := setup(t, "plan p1\nnudge.before kill@1\n")
		first := start(t, dir)
		first.pass(NudgeBefore)
		require.True(t, first.killed())
		second := start(t, dir)
		_, ok := second.pass(NudgeBefore)
		require.True(t, ok, second.stderr)
		second.end(t)
		require.Equal(t, 2, hits(t, dir, "p1", NudgeBefore))
	})

	t.Run("FiresInOneOfManyProcesses", func(t *testing.T) {
		t.Parallel()
		dir := setup(t, "plan p1\nnudge.after err@1\n")
		const processes = 4
		erred := make([]bool, processes)
		children := make([]*child, processes)
		var all sync.WaitGroup
		for i := range processes {
			children[i] = start(t, dir)
			all.Go(func() { erred[i], _ = children[i].pass(NudgeAfter) })
		}
		all.Wait()
		n := 0
		for i := range processes {
			children[i].end(t)
			if erred[i] {
				n++
			}
		}
		require.Equal(t, 1, n)
		require.Equal(t, processes, hits(t, dir, "p1", NudgeAfter))
	})

	t.Run("StopsUntilSomebodyContinuesIt", func(t *testing.T) {
		t.Parallel()
		dir := setup(t, "plan p1\nnudge.before stop@1\n")
		c := start(t, dir)
		passed := make(chan bool, 1)
		go func() {
			_, ok := c.pass(NudgeBefore)
			passed <- ok
		}()
		require.Eventually(t, func() bool { return stopped(c.cmd.Process.Pid) }, deadline, time.Millisecond)
		require.Empty(t, passed)
		require.NoError(t, c.cmd.Process.Signal(syscall.SIGCONT))
		select {
		case ok := <-passed:
			require.True(t, ok, c.stderr)
		case <-time.After(deadline):
			require.Fail(t, "it did not go on")
		}
		c.end(t)
	})

	t.Run("SleepsWithoutHoldingUpOthers", func(t *testing.T) {
		t.Parallel()
		const pause = 300 * time.Millisecond
		f, err := newFacility("tester", setup(t, "plan p1\nnudge.before sleep:300ms@1\n"))
		require.NoError(t, err)
		begun := time.Now()
		slept := make(chan time.Duration, 1)
		go func() {
			f.hit(NudgeBefore, false)
			slept <- time.Since(begun)
		}()
		require.Eventually(t, func() bool { return hits(t, f.dir, "p1", NudgeBefore) == 1 }, deadline, time.Millisecond)
		f.hit(NudgeAfter, true)
		require.Empty(t, slept, "the other point waited")
		require.GreaterOrEqual(t, <-slept, pause)
	})

	t.Run("AnotherPlanCountsAndFiresAnew", func(t *testing.T) {
		t.Parallel()
		dir := setup(t, "plan p1\nnudge.after err@2\n")
		c := start(t, dir)
		for _, want := range []bool{false, true, false} {
			erred, _ := c.pass(NudgeAfter)
			require.Equal(t, want, erred)
		}
		setPlan(t, dir, "plan p2\nnudge.after err@2\n")
		for _, want := range []bool{false, true} {
			erred, _ := c.pass(NudgeAfter)
			require.Equal(t, want, erred)
		}
		require.NoError(t, os.Remove(filepath.Join(dir, "plan")))
		erred, _ := c.pass(NudgeAfter)
		require.False(t, erred)
		c.end(t)
		require.Equal(t, []int{3, 2, 1}, []int{
			hits(t, dir, "p1", NudgeAfter), hits(t, dir, "p2", NudgeAfter), hits(t, dir, "none", NudgeAfter),
		})
	})

	t.Run("AMalformedPlanIsReportedAndCountsOnly", func(t *testing.T) {
		t.Parallel()
		dir := setup(t, "plan p1\nnudge.after err@1\nnudge.before explode@1\n")
		c := start(t, dir)
		erred, ok := c.pass(NudgeAfter)
		require.True(t, ok)
		require.False(t, erred)
		c.end(t)
		require.Equal(t, 1, hits(t, dir, "none", NudgeAfter))
		require.NoDirExists(t, filepath.Join(dir, "fired"))
		require.Contains(t, c.stderr.String(), "explode")
	})

	t.Run("CountsEveryHitOfManyGoroutines", func(t *testing.T) {
		t.Parallel()
		f, err := newFacility("tester", t.TempDir())
		require.NoError(t, err)
		const goroutines, each = 8, 25
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				for range each {
					f.hit(NudgeAfter, true)
				}
			})
		}
		all.Wait()
		require.Equal(t, goroutines*each, hits(t, f.dir, "none", NudgeAfter))
	})

	t.Run("HitDoesNotFireAnErrorThatNobodyWouldSee", func(t *testing.T) {
		t.Parallel()
		f, err := newFacility("tester", setup(t, "plan p1\nnudge.after err@1\n"))
		require.NoError(t, err)
		require.False(t, f.hit(NudgeAfter, false))
		require.NoDirExists(t, filepath.Join(f.dir, "fired"))
	})

	t.Run("BookkeepingThatFailsPanics", func(t *testing.T) {
		t.Parallel()
		f, err := newFacility("tester", t.TempDir())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, "hits"), nil, 0o600))
		require.Panics(t, func() { f.hit(NudgeBefore, false) })
	})
}

// stopped reports whether the kernel shows the process as stopped.
func stopped(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return strings.HasPrefix(rest, "T")
}

func TestSetup(t *testing.T) {
	t.Parallel()

	t.Run("RefusesADirectoryThatIsNotThere", func(t *testing.T) {
		t.Parallel()
		err := Setup("tester", filepath.Join(t.TempDir(), "nowhere"))
		require.True(t, errs.Is(err, errs.Invalid))
		require.ErrorContains(t, err, "XENCRM_FAILPOINTS")
		require.False(t, Enabled())
	})

	t.Run("OffIsSilent", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, Setup("tester", ""))
		Hit(NudgeBefore)
		require.NoError(t, Err(NudgeAfter))
	})
}

func BenchmarkHitOff(b *testing.B) {
	for b.Loop() {
		Hit(SendBeforeHTTP)
	}
}
