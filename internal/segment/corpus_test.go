package segment_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/segment"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func instant() time.Time { return time.Date(2026, time.November, 22, 9, 30, 0, 0, time.UTC) }

// TestGoodCorpus pins the compiled SQL, its arguments and the explanation of every accepted tree.
func TestGoodCorpus(t *testing.T) {
	t.Parallel()
	for name, raw := range corpus(t, "good") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, err := segment.Parse(raw)
			require.NoError(t, err)
			where, args, err := segment.Compile(rules, 1, instant())
			require.NoError(t, err)

			var got strings.Builder
			fmt.Fprintf(&got, "%s\n\n%s\n", segment.Explain(rules), where)
			for i, arg := range args {
				text := fmt.Sprintf("%v", arg)
				if len(text) > 80 {
					text = text[:80] + fmt.Sprintf("… (%d bytes)", len(text))
				}
				fmt.Fprintf(&got, "$%d %T %s\n", i+1, arg, text)
			}
			golden(t, filepath.Join("testdata", "golden", name+".txt"), got.String())
		})
	}
}

// TestBadCorpus pins what each refused input is told.
func TestBadCorpus(t *testing.T) {
	t.Parallel()
	for name, raw := range corpus(t, "bad") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, err := segment.Parse(raw)
			require.Nil(t, rules)
			require.True(t, errs.Is(err, errs.Invalid))
			refusal, ok := errors.AsType[*errs.Error](err)
			require.True(t, ok)
			require.NotEmpty(t, refusal.Fields)

			var got strings.Builder
			for _, field := range refusal.Fields {
				fmt.Fprintf(&got, "%q %s\n", field.Pointer, field.Message)
			}
			golden(t, filepath.Join("testdata", "corpus", "bad", name+".want"), got.String())
		})
	}
}

// TestRoundTrip requires that what a client saved comes back as it was sent.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, raw := range corpus(t, "good") {
		if name == "ids_filled_in" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, err := segment.Parse(raw)
			require.NoError(t, err)
			var out strings.Builder
			encoder := json.NewEncoder(&out)
			encoder.SetEscapeHTML(false)
			require.NoError(t, encoder.Encode(rules))
			require.Equal(t, string(raw), strings.TrimSuffix(out.String(), "\n"))
		})
	}
}

func corpus(t *testing.T, kind string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "corpus", kind, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	files := map[string][]byte{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		files[strings.TrimSuffix(filepath.Base(path), ".json")] = raw
	}
	return files
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update to write it")
	require.Equal(t, string(want), got)
}
