package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// shape has one member of each kind that a body of ours can have.
type shape struct {
	Name  *string         `json:"name"`
	Count *int            `json:"count"`
	Rate  *float64        `json:"rate"`
	On    *bool           `json:"on"`
	Tags  []string        `json:"tags"`
	Any   json.RawMessage `json:"any"`
	Rules rules           `json:"rules"`
}

func TestDecodeStrict(t *testing.T) {
	t.Parallel()
	deep := func(n int) string {
		return `{"any":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	tests := []struct {
		name, body, pointer, message string
	}{
		{"TakesEveryKind", `{"name":"a","count":1,"rate":1.5,"on":true,"tags":["x"],"any":{"A":1,"a":2},"rules":[{}]}`, "", ""},
		{"TakesNull", `{"name":null,"count":null,"tags":null,"any":null}`, "", ""},
		{"TakesSpaceAround", " \n{}\t ", "", ""},
		{"TakesPairedSurrogates", `{"name":"\ud83d\ude00 \\ud800"}`, "", ""},
		{"TakesTheReplacementCharacter", `{"name":"\ufffd"}`, "", ""},
		{"TakesDepth64", deep(maxDepth), "", ""},

		{"RefusesEmpty", "", "", "must not be empty"},
		{"RefusesSpaceAlone", " \n", "", "must not be empty"},
		{"RefusesBrokenJSON", `{"name":`, "", "broken near byte"},
		{"RefusesTrailingObject", `{}{}`, "", "broken near byte"},
		{"RefusesTrailingGarbage", `{} x`, "", "broken near byte"},
		{"RefusesComments", `{}//`, "", "broken near byte"},
		{"RefusesByteOrderMark", "\ufeff{}", "", "broken near byte"},
		{"RefusesInvalidUTF8", "{\"name\":\"\xff\"}", "", "must be UTF-8"},
		{"RefusesLoneHighSurrogate", `{"name":"\ud800"}`, "", "surrogate"},
		{"RefusesLoneLowSurrogate", `{"name":"\udc00"}`, "", "surrogate"},
		{"RefusesTwoHighSurrogates", `{"name":"\ud800\ud800\udc00"}`, "", "surrogate"},
		{"RefusesNUL", `{"name":"a\u0000"}`, "/name", "NUL"},
		{"RefusesNULWhereAnythingMayStand", `{"any":{"a":["\u0000"]}}`, "/any/a/0", "NUL"},
		{"RefusesNULInAName", `{"any":{"\u0000":1}}`, "/any", "NUL"},
		{"RefusesArray", `[]`, "", "must be a JSON object"},
		{"RefusesNullAlone", `null`, "", "must be a JSON object"},
		{"RefusesText", `"{}"`, "", "must be a JSON object"},
		{"RefusesUnknown", `{"nick":"a"}`, "/nick", "is not known"},
		{"RefusesUpperCase", `{"NAME":"a"}`, "/NAME", "is not known"},
		{"RefusesTitleCase", `{"Name":"a"}`, "/Name", "is not known"},
		{"RefusesEscapedUnknown", `{"a/b~c":1}`, "/a~1b~0c", "is not known"},
		{"RefusesTwice", `{"name":"a","name":"a"}`, "/name", "is given twice"},
		{"RefusesTwiceByEscape", `{"name":"a","n\u0061me":"a"}`, "/name", "is given twice"},
		{"RefusesTwiceWhereAnythingMayStand", `{"any":[{"a":1,"a":2}]}`, "/any/0/a", "is given twice"},
		{"RefusesTwiceInRules", `{"rules":[{"id":"1","id":"2"}]}`, "/rules/0/id", "is given twice"},
		{"RefusesNumberForText", `{"name":1}`, "/name", "must be a string"},
		{"RefusesTextForNumber", `{"count":"1"}`, "/count", "must be a number"},
		{"RefusesFractionForWhole", `{"count":1.5}`, "/count", "must be a whole number"},
		{"RefusesHugeWhole", `{"count":1e30}`, "/count", "must be a whole number"},
		{"RefusesHugeNumber", `{"rate":1e999}`, "/rate", "must be a number within range"},
		{"RefusesNumberForBool", `{"on":1}`, "/on", "must be true or false"},
		{"RefusesObjectForList", `{"tags":{}}`, "/tags", "must be an array"},
		{"RefusesNumberInListOfText", `{"tags":["a",1]}`, "/tags/1", "must be a string"},
		{"RefusesDepth65", deep(maxDepth + 1), "/any" + strings.Repeat("/0", maxDepth), "nested more than 64 deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := decodeStrict([]byte(tt.body), new(shape))
			if tt.message == "" {
				require.Nil(t, p)
				return
			}
			require.NotNil(t, p)
			require.Equal(t, 400, p.Status)
			require.Equal(t, typeMalformed, p.Type)
			require.Equal(t, tt.pointer, p.Errors[0].Pointer)
			require.Contains(t, p.Errors[0].Message, tt.message)
		})
	}
}

func TestDecodeStrictListsEveryFaultUpToTwenty(t *testing.T) {
	t.Parallel()
	p := decodeStrict([]byte(`{"Name":1,"count":"x","on":0}`), new(shape))
	require.Equal(t, []string{"/Name", "/count", "/on"}, pointers(p))
	p = decodeStrict([]byte(`{"tags":[`+strings.Repeat("1,", 1000)+`1]}`), new(shape))
	require.Len(t, p.Errors, maxFaults)
}

// TestDecodeStrictIsQuickOnDeepNesting is faults R7; the bound is generous for a loaded machine.
func TestDecodeStrictIsQuickOnDeepNesting(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{`[`, `{"a":`} {
		body := []byte(`{"any":` + strings.Repeat(unit, 150_000))
		start := time.Now()
		require.NotNil(t, decodeStrict(body, new(shape)))
		require.Less(t, time.Since(start), 500*time.Millisecond)
	}
}

func pointers(p *problem) []string {
	var out []string
	for _, f := range p.Errors {
		out = append(out, f.Pointer)
	}
	return out
}

// FuzzDecodeStrict holds that whatever is taken means the same to any other strict reader: it is
// valid JSON, of at most the depth, and decoding what was decoded changes nothing.
func FuzzDecodeStrict(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"a","count":1}`, `{"any":{"a":[1,2,{"b":null}]}}`, `{"name":"\ud83d\ude00"}`, `{"name":"\ud83d"}`,
		`{"a":1,"a":2}`, `[[[[`, "\xff", `{"rules":[{"id":"x"}]}`, `{"name":"\\u0000"}`, `{"count":1e3}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first shape
		if p := decodeStrict(data, &first); p != nil {
			require.NotEmpty(t, p.Errors)
			require.LessOrEqual(t, len(p.Errors), maxFaults+1)
			raw, err := json.Marshal(p)
			require.NoError(t, err)
			require.NotContains(t, string(raw), "\\u0000")
			return
		}
		require.True(t, json.Valid(data))
		var loose map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &loose))
		for name := range loose {
			require.Contains(t, fieldsOf(reflect.TypeFor[shape]()), name)
		}
		again, err := json.Marshal(first)
		require.NoError(t, err)
		var second shape
		require.Nil(t, decodeStrict(again, &second))
		once, err := json.Marshal(second)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(string(again), string(once)))
	})
}
