package segment_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/segment"
	"github.com/xencrm/xencrm/internal/segment/segmenttest"
)

func TestParse(t *testing.T) {
	t.Parallel()

	t.Run("FillsInMissingIDsByPosition", func(t *testing.T) {
		t.Parallel()
		rules, err := segment.Parse([]byte(
			`[{"operator":"OR","rules":[{"field":"name","operator":"=","value":"a"}]}]`))
		require.NoError(t, err)
		require.Equal(t, "group_1", rules[0].ID)
		require.Equal(t, "rule_1_1", rules[0].Rules[0].ID)
	})

	t.Run("TellsTheFirstFaultInTheText", func(t *testing.T) {
		t.Parallel()
		_, err := segment.Parse([]byte(`[{"id":"g","operator":"XOR","rules":[]}]`))
		require.EqualError(t, err, "segment rules are not valid: /0/operator must be AND or OR")
	})

	t.Run("StopsAfterTwentyFaults", func(t *testing.T) {
		t.Parallel()
		_, err := segment.Parse([]byte("[" + strings.Repeat("0,", 40) + "0]"))
		refusal, ok := errors.AsType[*errs.Error](err)
		require.True(t, ok)
		require.Len(t, refusal.Fields, 20)
	})

	t.Run("RefusesWhatIsTooLarge", func(t *testing.T) {
		t.Parallel()
		for name, raw := range map[string]string{
			"bytes":  strings.Repeat(" ", segment.MaxBytes) + "[]",
			"groups": tree(segment.MaxGroups+1, 1, "x"),
			"rules":  tree(1, segment.MaxGroupRules+1, "x"),
			"all":    tree(segment.MaxGroups, segment.MaxRules/segment.MaxGroups+1, "x"),
			"text":   tree(1, 1, strings.Repeat("é", segment.MaxTextChars+1)),
			"depth":  `[{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}]`,
		} {
			_, err := segment.Parse([]byte(raw))
			require.True(t, errs.Is(err, errs.Invalid), name)
		}
	})

	t.Run("AcceptsTheLargest", func(t *testing.T) {
		t.Parallel()
		raw := tree(segment.MaxGroups, segment.MaxRules/segment.MaxGroups, strings.Repeat("é", segment.MaxTextChars))
		rules, err := segment.Parse([]byte(raw))
		require.NoError(t, err)
		_, args, err := segment.Compile(rules, 1, instant())
		require.NoError(t, err)
		require.Len(t, args, 3*segment.MaxRules)
	})

	t.Run("IsWhatUnmarshalDoes", func(t *testing.T) {
		t.Parallel()
		var rules segment.Rules
		require.NoError(t, json.Unmarshal([]byte(tree(1, 1, "x")), &rules))
		require.Len(t, rules, 1)
		require.Error(t, json.Unmarshal([]byte(`[]`), &rules))
		require.Error(t, json.Unmarshal([]byte(`null`), &rules))
	})

	t.Run("ReadsBackEveryValidTree", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			rules := segmenttest.Rules().Draw(t, "rules")
			raw, err := json.Marshal(rules)
			require.NoError(t, err)
			back, err := segment.Parse(raw)
			require.NoError(t, err)
			require.Equal(t, rules, back)
		})
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		tree(2, 2, "x"), `[{"id":"g","operator":"AND","rules":[{"field":"total_spend","operator":">","value":1e3}]}]`,
		`[{"a":[[{}]],"id":"\ud83d\ude00"}]`, `[`, `nul`, `[{}] x`, "\"\\",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rules, err := segment.Parse(raw)
		if err != nil {
			require.True(t, errs.Is(err, errs.Invalid))
			return
		}
		again, err := json.Marshal(rules)
		require.NoError(t, err)
		back, err := segment.Parse(again)
		require.NoError(t, err)
		require.Equal(t, rules, back)
		where, args, err := segment.Compile(rules, 1, instant())
		require.NoError(t, err)
		require.Contains(t, where, "$"+strconv.Itoa(len(args))+"::")
		require.NotContains(t, where, "'")
		require.NotEmpty(t, segment.Explain(rules))
		segment.Eval(rules, segment.Row{}, instant())
	})
}

// tree makes groups with rules on the name.
func tree(groups, rules int, value string) string {
	out := make(segment.Rules, groups)
	for i := range out {
		out[i] = segment.Group{ID: "g" + strconv.Itoa(i), Operator: segment.Or}
		for j := range rules {
			out[i].Rules = append(out[i].Rules, segment.Rule{
				ID: strconv.Itoa(i) + "_" + strconv.Itoa(j), Field: "name",
				Operator: segment.OpContains, Value: segment.TextValue(value),
			})
		}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
