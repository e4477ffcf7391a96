package csvrow_test

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/csvrow"
)

const most = 100

func readAll(t testing.TB, r io.Reader) []csvrow.Record {
	t.Helper()
	in := csvrow.NewReader(r, most)
	require.NoError(t, in.SkipBOM())
	var out []csvrow.Record
	for {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		rec.Cells = slices.Clone(rec.Cells)
		out = append(out, rec)
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	type record = csvrow.Record
	tests := []struct {
		name, file string
		want       []record
	}{
		{"Nothing", "", nil},
		{"OnlyABOM", "\ufeff", nil},
		{"BOMOnceOnly", "\ufeff\ufeffa", []record{{1, []string{"\ufeffa"}, ""}}},
		{"LinesOfEveryKind", "a,b\r\nc,d\ne,f", []record{{1, []string{"a", "b"}, ""}, {2, []string{"c", "d"}, ""}, {3, []string{"e", "f"}, ""}}},
		{"EmptyLinesAreSkippedAndCounted", "a\n\r\n\nb\n", []record{{1, []string{"a"}, ""}, {4, []string{"b"}, ""}}},
		{"AnEmptyCellInQuotesIsARecord", "\"\"\n", []record{{1, []string{""}, ""}}},
		{"EmptyCells", ",\n,,\r\n", []record{{1, []string{"", ""}, ""}, {2, []string{"", "", ""}, ""}}},
		{"QuotedCommasQuotesAndLines", "\"a,\"\"b\"\"\r\nc\",d\ne\n", []record{{1, []string{"a,\"b\"\r\nc", "d"}, ""}, {3, []string{"e"}, ""}}},
		{"BlanksAreKept", " a , b \n", []record{{1, []string{" a ", " b "}, ""}}},
		{"ACarriageReturnInside", "a\rb,c\r\r\n", []record{{1, []string{"a\rb", "c\r"}, ""}}},
		{"CRLFAfterAQuote", "\"a\"\r\n\"b\"\r", []record{{1, []string{"a"}, ""}, {2, []string{"b"}, ""}}},
		{"AnythingElseAfterAQuoteAndCR", "\"a\"\rb\nc\n", []record{{1, nil, csvrow.AfterQuote}, {2, []string{"c"}, ""}}},
		{"NULAndInvalidUTF8AreTheCallersBusiness", "a\x00,\xff\n", []record{{1, []string{"a\x00", "\xff"}, ""}}},
		{"StrayQuoteCostsItsLineOnly", "a\"b,c\nd\n", []record{{1, nil, csvrow.StrayQuote}, {2, []string{"d"}, ""}}},
		{"TextAfterAQuoteCostsItsLineOnly", "\"a\"b\",\"c\nd\n", []record{{1, nil, csvrow.AfterQuote}, {2, []string{"d"}, ""}}},
		{"UnclosedQuoteIsToldWhereItBegan", "a\nb,\"c\nd\ne", []record{{1, []string{"a"}, ""}, {2, nil, csvrow.Unclosed}}},
		{"TheLongestRecord", strings.Repeat("x", most-1) + "\ny\n", []record{{1, []string{strings.Repeat("x", most-1)}, ""}, {2, []string{"y"}, ""}}},
		{"OneByteMore", strings.Repeat("x", most) + "\ny\n", []record{{1, nil, csvrow.TooLong}, {2, []string{"y"}, ""}}},
		{"TooManyCells", strings.Repeat(",", most) + "\ny\n", []record{{1, nil, csvrow.TooLong}, {2, []string{"y"}, ""}}},
		{"ALongQuotedCellOfManyLines", "\"" + strings.Repeat("x\n", most) + "\"\ny", []record{{1, nil, csvrow.TooLong}, {most + 2, []string{"y"}, ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, readAll(t, strings.NewReader(tt.file)))
			require.Equal(t, tt.want, readAll(t, iotest.OneByteReader(strings.NewReader(tt.file))), "however it arrives")
		})
	}

	t.Run("ABrokenSourceIsNoEndOfTheFile", func(t *testing.T) {
		t.Parallel()
		in := csvrow.NewReader(io.MultiReader(strings.NewReader("a,b"), iotest.ErrReader(io.ErrUnexpectedEOF)), most)
		_, err := in.Read()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

func TestEveryFaultHasAdvice(t *testing.T) {
	t.Parallel()
	for _, f := range []csvrow.Fault{csvrow.TooLong, csvrow.StrayQuote, csvrow.AfterQuote, csvrow.Unclosed} {
		require.NotEmpty(t, f.Advice())
	}
}

// What the standard library writes is read as it was.
func TestReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		cell := rapid.StringOfN(rapid.SampledFrom([]rune("a,\"'=\n\r\t é\x00")), 0, 10, -1)
		want := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 4), 0, 5).Draw(rt, "records")
		var file strings.Builder
		require.NoError(t, csv.NewWriter(&file).WriteAll(want))
		var got [][]string
		for _, rec := range readAll(t, strings.NewReader(file.String())) {
			require.Empty(t, rec.Fault)
			got = append(got, rec.Cells)
		}
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	})
}

func TestGuard(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"": "", "a": "a", "'": "'", "'a": "'a", "O'Hara": "O'Hara",
		"=1+1": "'=1+1", "+91 98": "'+91 98", "-5": "'-5", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx",
		"'=1": "''=1", "''=1": "'''=1",
	} {
		require.Equal(t, want, csvrow.Guard(cell), "%q", cell)
	}
	rapid.Check(t, func(rt *rapid.T) {
		cell := rapid.StringOfN(rapid.SampledFrom([]rune("'=+-@\t\ra")), 0, 6, -1).Draw(rt, "cell")
		guarded := csvrow.Guard(cell)
		require.Equal(t, cell, csvrow.Unguard(guarded))
		if guarded != "" {
			require.NotContains(t, "=+-@\t\r", guarded[:1])
		}
	})
}

// FuzzRead: no input makes the reader fail, keep more than its bound, or count lines wrongly; and what
// it reads without fault, written again, is read alike.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"a,b\r\n\"c\"\"d\ne\",f\n", "\ufeffa\n\n\"", "a\"b,c\r\r\n\"x\"y\n", "\"" + strings.Repeat(",", most)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		records := readAll(t, strings.NewReader(file))
		line, lines := int64(0), int64(strings.Count(file, "\n"))+1
		for _, rec := range records {
			require.Greater(t, rec.Line, line)
			require.LessOrEqual(t, rec.Line, lines)
			line = rec.Line
			require.Equal(t, rec.Fault != "", rec.Cells == nil)
			size := len(rec.Cells)
			for _, cell := range rec.Cells {
				size += len(cell)
			}
			require.LessOrEqual(t, size, most)
			if rec.Fault == "" {
				var again strings.Builder
				quoteAll(&again, rec.Cells)
				reread := readAll(t, strings.NewReader(again.String()))
				require.Len(t, reread, 1)
				require.Equal(t, rec.Cells, reread[0].Cells)
			}
		}
	})
}

// quoteAll writes a record with every cell in quotes, the one way that needs no rule for exceptions.
func quoteAll(w *strings.Builder, cells []string) {
	for i, cell := range cells {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString(`"` + strings.ReplaceAll(cell, `"`, `""`) + `"`)
	}
	w.WriteString("\n")
}

func BenchmarkRead(b *testing.B) {
	row := "Asha Rao,asha.rao@shop.in,+91 98765 43210,1234.50,7,2025-09-01T10:00:00Z,ACTIVE\n"
	file := strings.Repeat(row, 10_000)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		in := csvrow.NewReader(strings.NewReader(file), 100_000)
		for {
			if _, err := in.Read(); err != nil {
				break
			}
		}
	}
}
