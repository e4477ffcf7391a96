package failpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParsePlan(t *testing.T) {
	t.Parallel()

	t.Run("ReadsEveryAction", func(t *testing.T) {
		t.Parallel()
		p, err := parsePlan("plan r7-a.b\n\nsend.before_http kill@1\nsend.after_http  err@12\n" +
			"nudge.before sleep:2s@3\nnudge.after stop@4")
		require.NoError(t, err)
		require.Equal(t, plan{id: "r7-a.b", actions: map[Name]action{
			SendBeforeHTTP: {kind: actionKill, at: 1},
			SendAfterHTTP:  {kind: actionErr, at: 12},
			NudgeBefore:    {kind: actionSleep, pause: 2 * time.Second, at: 3},
			NudgeAfter:     {kind: actionStop, at: 4},
		}}, p)
	})

	tests := []struct{ name, text, says string }{
		{"Empty", "", "plan <id>"},
		{"NoID", "plan\n", "plan <id>"},
		{"AnotherFirstWord", "plans p1\n", "plan <id>"},
		{"AnIDThatLeavesTheDirectory", "plan ../x\n", "plan <id>"},
		{"AnIDOfDots", "plan ..\n", "plan <id>"},
		{"APointThatIsNotThere", "plan p\nnudge.never kill@1\n", "no such point"},
		{"TwoActionsOfOnePoint", "plan p\nnudge.before kill@1\nnudge.before kill@2\n", "fires once"},
		{"NoCount", "plan p\nnudge.before kill\n", "number from 1"},
		{"CountZero", "plan p\nnudge.before kill@0\n", "number from 1"},
		{"AnotherAction", "plan p\nnudge.before panic@1\n", "none of kill"},
		{"AnArgumentThatMeansNothing", "plan p\nnudge.before kill:9@1\n", "none of kill"},
		{"SleepWithoutDuration", "plan p\nnudge.before sleep@1\n", "duration"},
		{"SleepBackwards", "plan p\nnudge.before sleep:-1s@1\n", "duration"},
		{"ALostAnswerWhereThereIsNone", "plan p\nnudge.before err@1\n", "no answer to lose"},
		{"ThreeWords", "plan p\nnudge.before kill@1 now\n", "<name> <action>"},
	}
	for _, tt := range tests {
		t.Run("Refuses"+tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := parsePlan(tt.text)
			require.ErrorContains(t, err, tt.says)
		})
	}
}
