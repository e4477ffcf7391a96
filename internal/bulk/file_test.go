package bulk

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/customer"
)

const header = "name,email,phone,total_spend\n"

func TestAHeaderThatIsWrongRefusesTheFile(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, want string }{
		{"EmptyFile", "", "the file is empty"},
		{"EmptyLinesOnly", "\n\r\n", "the file is empty"},
		{"UnknownColumn", "name,email,loyalty\n", `"loyalty" is not known; known are name, email, phone`},
		{"OtherCase", "Name,email\n", `"Name" is not known`},
		{"Twice", "name,email,name\n", `"name" is given twice`},
		{"MissingColumn", "name,phone\n", `"email" is missing`},
		{"Semicolons", "name;email\n", "separated by commas"},
		{"NoHeader", "Asha,asha@shop.in\n", `"Asha" is not known`},
		{"UTF16", "\xff\xfen\x00a\x00", "UTF-16"},
		{"UTF16BigEndian", "\xfe\xff\x00n\x00a", "UTF-16"},
		{"UnclosedQuote", "\"name,email\nAsha,asha@shop.in\n", "line 1, the header: a quote is opened here"},
		{"AnyBytes", "\x00\xff,\x1b[31m\n", `"\x00`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, refuse(t, strings.NewReader(tt.file)).Text, tt.want)
		})
	}

	t.Run("TellsEverythingAtOnceButNotWithoutEnd", func(t *testing.T) {
		t.Parallel()
		require.Len(t, refuse(t, strings.NewReader("Name,phone,phone\n")).Fields, 4)
		require.Len(t, refuse(t, strings.NewReader(strings.Repeat("x,", 1000))).Fields, 20)
		require.Less(t, len(refuse(t, strings.NewReader(strings.Repeat("x", 90_000))).Text), 500)
	})
}

func TestRowsOfEveryKind(t *testing.T) {
	t.Parallel()
	s := take(t, "\ufeff email , name\r\nA@Shop.in,Asha\r\n\r\n\"b@shop.in\",\"Rao, \"\"Asha\"\"\"\r\n")
	require.Equal(t, []string{"a@shop.in Asha", `b@shop.in Rao, "Asha"`}, named(s.all().Rows))
	require.Equal(t, 2, s.all().Accepted)
	require.Empty(t, take(t, header).batches, "a header alone is a file of nobody")
}

func named(rows []Row) []string {
	var out []string
	for _, r := range rows {
		out = append(out, r.Input.Email+" "+r.Input.Name)
	}
	return out
}

func TestRowErrorsNameLineColumnAndWhatToDo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, row, column, code, text string
	}{
		{"Validation", "Asha,a@b,,", "email", "validation", "must be a valid email"},
		{"Erased", "Asha,x@erased.invalid,,", "email", "validation", "must be a valid email"},
		{"MissingName", ",a@shop.in,,", "name", "validation", "is required"},
		{"Blank", "Asha,a@shop.in,  ,", "phone", "validation", "is not allowed to be empty"},
		{"QuotedLine", "\"A\nB\",a@shop.in,,", "name", "validation", "must not contain control characters"},
		{"NUL", "A\x00,a@shop.in,,", "name", "validation", "must not contain control characters"},
		{"NegativeBehindTheGuard", "Asha,a@shop.in,,'-5", "total_spend", "validation", "must be greater than or equal to 0"},
		{"TooFewCells", "Asha,a@shop.in", "", "cell_count", "the row has 2 cells and the header 4"},
		{"TooManyCells", "Asha,a@shop.in,,,", "", "cell_count", "the row has 5 cells and the header 4"},
		{"InvalidUTF8", "Asha,a@shop.in,\xff,", "phone", "invalid_utf8", "save the file as CSV in UTF-8"},
		{"StrayQuote", "As\"ha,a@shop.in,,", "", "stray_quote", "quote"},
		{"TextAfterQuote", "\"As\"ha,a@shop.in,,", "", "text_after_quote", "quote"},
		{"TenMegabytes", strings.Repeat("x", 10<<20) + ",a@shop.in,,", "", "row_too_long", "shorten it"},
		{"TenMegabytesInQuotes", "\"" + strings.Repeat("x\n", 5<<20) + "\",a@shop.in,,", "", "row_too_long", "never closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := take(t, header+"Good,good@shop.in,,\n"+tt.row+"\nLast,last@shop.in,,\n")
			all := s.all()
			require.Equal(t, []string{"good@shop.in Good", "last@shop.in Last"}, named(all.Rows), "the others are taken")
			require.Equal(t, 3, all.Read)
			require.Equal(t, 1, all.Refused)
			require.Len(t, all.Errors, 1)
			got := all.Errors[0]
			require.Equal(t, []any{1, int64(3), tt.column, tt.code}, []any{got.Number, got.Line, got.Column, got.Code})
			require.Contains(t, got.Message, tt.text)
		})
	}

	t.Run("AllFaultsOfARowAtOnce", func(t *testing.T) {
		t.Parallel()
		all := take(t, header+"Asha,nope,x,y\n").all()
		require.Equal(t, 1, all.Refused)
		require.Equal(t, 3, all.Faults)
		require.Equal(t, []string{"email", "phone", "total_spend"}, []string{all.Errors[0].Column, all.Errors[1].Column, all.Errors[2].Column})
	})

	t.Run("AnUnclosedQuoteCostsTheRestOfTheFile", func(t *testing.T) {
		t.Parallel()
		all := take(t, header+"Good,good@shop.in,,\n\"Asha,a@shop.in,,\nB,b@shop.in,,\n").all()
		require.Equal(t, []string{"good@shop.in Good"}, named(all.Rows))
		require.Equal(t, "unclosed_quote", all.Errors[0].Code)
	})
}

func TestTheFirstErrorsAreKeptAndAllAreCounted(t *testing.T) {
	t.Parallel()
	all := take(t, header+strings.Repeat("Asha,nope,x,y\n", MaxErrors/2)).all()
	require.Equal(t, MaxErrors/2, all.Refused)
	require.Equal(t, MaxErrors/2*3, all.Faults)
	require.Len(t, all.Errors, MaxErrors)
	for i, e := range all.Errors {
		require.Equal(t, i+1, e.Number)
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString("name,email,phone\n")
	for i := range batchRows + 1 {
		fmt.Fprintf(&file, "N%d,c%d@shop.in,\n", i, (i*7919)%(batchRows-1))
	}
	s := take(t, file.String())
	require.Len(t, s.batches, 2)
	first := s.batches[0]
	require.Equal(t, []int{1, batchRows, batchRows, batchRows - 1}, []int{first.Number, first.Read, first.Accepted, len(first.Rows)})
	require.True(t, slices.IsSortedFunc(first.Rows, func(a, b Row) int { return strings.Compare(a.Input.Email, b.Input.Email) }))
	require.Equal(t, []int{2, 1}, []int{s.batches[1].Number, s.batches[1].Read})

	t.Run("ASecondRowOfAnAddressIsAppliedToTheFirst", func(t *testing.T) {
		t.Parallel()
		rows := take(t, header+"Old,a@shop.in,'+91 98,5\nNew,A@SHOP.in,,7\n").all().Rows
		require.Len(t, rows, 1)
		require.Equal(t, "New", rows[0].Input.Name)
		require.Equal(t, "+91 98", *rows[0].Input.Phone)
		require.Equal(t, "7", rows[0].Input.TotalSpend.String())
	})
}

// A batch of padded rows keeps what they say and not the padding.
//
//nolint:paralleltest // it measures the heap
func TestPaddingIsNotKept(t *testing.T) {
	const rows = 500
	padded := "Asha" + strings.Repeat(" ", maxRow-100) + ",c%d@shop.in,,\n"
	readers := []io.Reader{strings.NewReader(header)}
	for i := range rows {
		readers = append(readers, &lazyRow{format: padded, n: i})
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s := &shelf{}
	before := heap()
	_, err := newService(s).Import(t.Context(), io.MultiReader(readers...), nil)
	require.NoError(t, err)
	const padding = rows * maxRow
	require.Less(t, heap(), before+padding/10)
	require.Equal(t, rows, s.all().Accepted)
}

// lazyRow makes its text when it is read.
type lazyRow struct {
	format string
	n      int
	text   io.Reader
}

func (r *lazyRow) Read(p []byte) (int, error) {
	if r.text == nil {
		r.text = strings.NewReader(fmt.Sprintf(r.format, r.n))
	}
	n, err := r.text.Read(p)
	if err != nil {
		r.text = strings.NewReader("")
	}
	return n, err
}

// FuzzImport: whatever a file holds, it is either refused as a whole or every row of it is accounted
// for; what is accepted is what a post of it would be.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		header + "Asha,a@shop.in,'+91 98,5\n", "email,name\n\"a@x.com\",\"A\nB\"\nb@x.com,B\r\n", "name,email\nA\n\"", "\ufeffname,email,status\nA,a@x.com,ACTIVE",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		s := &shelf{}
		_, err := newService(s).Import(t.Context(), iotest.HalfReader(strings.NewReader(file)), nil)
		if err != nil {
			require.Empty(t, s.batches)
			return
		}
		all := s.all()
		require.Equal(t, all.Read, all.Accepted+all.Refused)
		require.LessOrEqual(t, all.Read, strings.Count(file, "\n"))
		require.GreaterOrEqual(t, all.Faults, all.Refused)
		for _, e := range all.Errors {
			require.NotEmpty(t, e.Message)
			require.Greater(t, e.Line, int64(1))
		}
		for _, r := range all.Rows {
			again, err := customer.ParseRow(customer.Columns(), customer.New(r.CustomerID, r.Input).Row())
			require.NoError(t, err)
			require.Equal(t, r.Input.Email, again.Email)
			require.Equal(t, r.Input.Name, again.Name)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	const rows = 100_000
	var file strings.Builder
	file.WriteString("name,email,phone,total_spend,total_visits,last_order_at\n")
	for i := range rows {
		fmt.Fprintf(&file, "Customer %d,c%d@example.com,'+91 98765 %05d,%d.50,%d,2026-01-02T10:00:00Z\n", i, i, i%100_000, i, i%50)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		take(b, file.String())
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}
