package customer

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// rowCells draws cells that are sometimes valid, sometimes not, and sometimes empty.
func rowCells(rt *rapid.T) []string {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(rt, name) }
	return []string{
		pick("name", "Asha", " Asha ", "é", "", "\u200b", "a\x00b", "a\nb"),
		pick("email", "asha@shop.in", " Asha@Shop.IN ", "", "a@b", "x@erased.invalid"),
		pick("phone", "", "+91 98", "call me", "+", "  "),
		pick("total_spend", "", "0", "1.005", "1e2", "-1", "abc", "1e99", " 5 "),
		pick("total_visits", "", "0", "7", "1.5", "-1", "99999999999"),
		pick("last_order_at", "", "2026-03-01", "0", "yesterday", "2026-03-01T10:00:00+05:30"),
		pick("status", "", "ACTIVE", "INACTIVE", "active"),
	}
}

// A line of a file is read as the same post in JSON is, fault for fault.
func TestParseRowEqualsParseInput(t *testing.T) {
	t.Parallel()
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		cells := rowCells(rt)
		members := map[string]string{}
		for i, column := range Columns() {
			if cells[i] != "" {
				members[column] = cells[i]
			}
		}
		raw, err := json.Marshal(members)
		require.NoError(t, err)
		want, wantErr := ParseInput(raw, Strict)
		got, gotErr := ParseRow(Columns(), cells)
		require.Equal(t, faults(t, wantErr), faults(t, gotErr))
		if wantErr == nil {
			accepted++
			require.Equal(t, want, got)
		}
	})
	require.Positive(t, accepted)
}

func TestParseRowKnowsItsColumnsByName(t *testing.T) {
	t.Parallel()
	got, err := ParseRow([]string{"email", "status", "name"}, []string{"a@x.com", "INACTIVE", "A"})
	require.NoError(t, err)
	require.Equal(t, Input{Name: "A", Email: "a@x.com", Status: new("INACTIVE")}, got)
	_, err = ParseRow([]string{"email"}, []string{"a@x.com"})
	require.Equal(t, []string{`/name "name" is required`}, faults(t, err))
}

// Two posts one after the other, and the one post that stands for both, make the same customer.
func TestThenIsOnePostAfterTheOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		post := func(name string) Input {
			in := Input{Name: name, Email: "a@x.com"}
			if rapid.Bool().Draw(rt, "phone") {
				in.Phone = new("+91 " + name)
			}
			if rapid.Bool().Draw(rt, "spend") {
				in.TotalSpend = new(decimal.New(rapid.Int64Range(0, 1000).Draw(rt, "cents"), -2))
			}
			if rapid.Bool().Draw(rt, "visits") {
				in.TotalVisits = new(rapid.Int32Range(0, 10).Draw(rt, "visits"))
			}
			if rapid.Bool().Draw(rt, "last") {
				in.LastOrderAt = new(noon().AddDate(0, 0, rapid.IntRange(-9, 9).Draw(rt, "days")))
			}
			if rapid.Bool().Draw(rt, "status") {
				in.Status = new(StatusInactive)
			}
			return in
		}
		first, second := post("1"), post("2")
		id, last := uuid.New(), noon()
		start := func() *Customer {
			c := New(id, Input{Name: "0", Email: "a@x.com"})
			require.NoError(t, c.Count(decimal.New(250, -2), last))
			return c
		}
		apart, once := start(), start()
		for _, in := range []Input{first, second} {
			apart.Post(in)
			apart.Latest(&last)
		}
		once.Post(first.Then(second))
		once.Latest(&last)
		require.Equal(t, apart, once)
	})
}

func TestRowIsReadBack(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.FixedZone("IST", 19800))
	c := New(uuid.New(), Input{
		Name: "Asha", Email: "asha@shop.in", Phone: new("+91 98"), TotalSpend: new(decimal.RequireFromString("12.50")),
		TotalVisits: new(int32(7)), LastOrderAt: &at, Status: new(StatusInactive),
	})
	got, err := ParseRow(Columns(), c.Row())
	require.NoError(t, err)
	require.Equal(t, "12.5", got.TotalSpend.String())
	require.True(t, at.Equal(*got.LastOrderAt))
	require.Equal(t, []any{"Asha", "asha@shop.in", "+91 98", int32(7), "INACTIVE"},
		[]any{got.Name, got.Email, *got.Phone, *got.TotalVisits, *got.Status})

	bare := New(uuid.New(), Input{Name: "A", Email: "a@x.com"})
	require.Equal(t, []string{"A", "a@x.com", "", "0", "0", "", "ACTIVE"}, bare.Row())
}
