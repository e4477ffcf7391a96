package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A process counts for the nearest root above it: the bench is an ancestor of all that it measures.
func TestTreesTellRootsApart(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), "sh", "-c", "cat; :") // of which cat is a child, until its input ends
	in, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	_, err = in.Write([]byte("x"))
	require.NoError(t, err)
	_, err = out.Read(make([]byte, 1)) // now cat runs
	require.NoError(t, err)

	all := trees(map[string]int{"bench": os.Getpid(), "worker": child.Process.Pid})

	assert.Equal(t, []int{os.Getpid()}, pids(all["bench"]))
	assert.Contains(t, pids(all["worker"]), child.Process.Pid)
	assert.Len(t, all["worker"], 2)
	assert.Positive(t, peakMB(os.Getpid()))
	require.NoError(t, in.Close())
	require.NoError(t, child.Wait())
	assert.Zero(t, peakMB(child.Process.Pid), "one that has ended")
}

func pids(all []process) []int {
	var out []int
	for _, p := range all {
		out = append(out, p.pid)
	}
	return out
}
