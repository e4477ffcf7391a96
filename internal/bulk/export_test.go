package bulk

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
)

type lister func(f customer.Filter) (cursor.Page[customer.Record], error)

func (l lister) List(_ context.Context, f customer.Filter) (cursor.Page[customer.Record], error) {
	return l(f)
}

// pages gives records two by two.
func pages(records []customer.Record) lister {
	return func(f customer.Filter) (cursor.Page[customer.Record], error) {
		from := 0
		for !f.After.IsZero() && records[from].ID != f.After.ID {
			from++
		}
		if !f.After.IsZero() {
			from++
		}
		rest := records[from:]
		return cursor.Cut(rest[:min(len(rest), 3)], 2, f.Position), nil
	}
}

func export(t testing.TB, records []customer.Record) string {
	t.Helper()
	e, err := OpenExport(t.Context(), pages(records), customer.Filter{Sort: customer.SortNewest})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, e.WriteCSV(t.Context(), &out))
	return out.String()
}

func record(in customer.Input) customer.Record {
	return customer.Record{Customer: *customer.New(uuid.New(), in)}
}

func TestExport(t *testing.T) {
	t.Parallel()

	t.Run("IsGuardedAgainstFormulas", func(t *testing.T) {
		t.Parallel()
		got := export(t, []customer.Record{
			record(customer.Input{Name: `=HYPERLINK("http://x","y")`, Email: "a@x.com", Phone: new("+91 98")}),
			record(customer.Input{Name: "@SUM(1)", Email: "-b@x.com"}),
		})
		require.Equal(t, "name,email,phone,total_spend,total_visits,last_order_at,status\n"+
			"\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",a@x.com,'+91 98,0,0,,ACTIVE\n"+
			"'@SUM(1),'-b@x.com,,0,0,,ACTIVE\n", got)
	})

	t.Run("LeavesTheErasedOut", func(t *testing.T) {
		t.Parallel()
		erased := record(customer.Input{Name: "A", Email: "a@x.com"})
		erased.Erase()
		require.Equal(t, 1, strings.Count(export(t, []customer.Record{erased}), "\n"), "the header alone")
	})

	t.Run("TellsOfFaultsBeforeItWritesAndStopsAtLaterOnes", func(t *testing.T) {
		t.Parallel()
		away, asked := errors.New("away"), 0
		l := lister(func(f customer.Filter) (cursor.Page[customer.Record], error) {
			require.Equal(t, exportPage, f.Limit)
			if asked++; asked == 2 {
				return cursor.Page[customer.Record]{}, away
			}
			return cursor.Page[customer.Record]{Next: cursor.Position{Key: "x"}}, nil
		})
		e, err := OpenExport(t.Context(), l, customer.Filter{})
		require.NoError(t, err)
		require.ErrorIs(t, e.WriteCSV(t.Context(), &bytes.Buffer{}), away)
		_, err = OpenExport(t.Context(), lister(func(customer.Filter) (cursor.Page[customer.Record], error) {
			return cursor.Page[customer.Record]{}, away
		}), customer.Filter{})
		require.ErrorIs(t, err, away)
	})
}

// What is exported is imported as it was, row by row, whatever the customers are called.
func TestWhatIsExportedIsImportedAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune(`'=+-@a,";é `)), 0, 6, -1)
		var records []customer.Record
		want := map[string]customer.Input{}
		for i := range rapid.IntRange(0, 7).Draw(rt, "customers") {
			in := customer.Input{
				Name: strings.TrimSpace(text.Draw(rt, "name") + "x"), Email: string(rune('a'+i)) + "'+=-@shop.in",
				TotalSpend:  new(decimal.New(rapid.Int64Range(0, 99999).Draw(rt, "cents"), -2)),
				TotalVisits: new(rapid.Int32Range(0, 9).Draw(rt, "visits")), Status: new(customer.StatusInactive),
			}
			if rapid.Bool().Draw(rt, "phone") {
				in.Phone = new(rapid.SampledFrom([]string{"+91 98", "-123", "0800"}).Draw(rt, "number"))
			}
			if rapid.Bool().Draw(rt, "last") {
				in.LastOrderAt = new(time.Date(2026, 1, 1, 0, 0, 0, rapid.IntRange(0, 999_999).Draw(rt, "us")*1000, time.UTC))
			}
			records = append(records, record(in))
			want[in.Email] = in
		}
		s := take(t, export(t, records))
		require.Empty(t, s.all().Errors)
		require.Len(t, s.all().Rows, len(want))
		for _, r := range s.all().Rows {
			require.Equal(t, customer.New(uuid.Nil, want[r.Input.Email]).Row(), customer.New(uuid.Nil, r.Input).Row())
		}
	})
}
