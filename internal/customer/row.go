package customer

import (
	"slices"
	"strconv"
	"time"
)

// Columns are the fields that a posted customer may have, in the order of an exported file.
func Columns() []string {
	return []string{"name", "email", "phone", "total_spend", "total_visits", "last_order_at", "status"}
}

// RequiredColumns are those that no customer can be posted without.
func RequiredColumns() []string { return []string{"name", "email"} }

// row holds the fields of a line of a file: cells[i] belongs to columns[i].
type row struct{ columns, cells []string }

func (r *row) cell(field string) string {
	if i := slices.Index(r.columns, field); i >= 0 {
		return r.cells[i]
	}
	return ""
}

// ParseRow reads a customer from a line of a file by the rules of ParseInput, as if every cell were a
// member of that name with a string. An empty cell is a field that is not named. There must be a cell
// for each column, the columns must be known ones, and the cells valid UTF-8.
func ParseRow(columns, cells []string) (Input, error) {
	o := &object{row: &row{columns, cells}}
	return o.input()
}

// Then gives the one post that does what this post and then a later one for the same address do.
func (in Input) Then(later Input) Input {
	in.Name = later.Name
	in.Phone = lastNamed(later.Phone, in.Phone)
	in.TotalSpend = lastNamed(later.TotalSpend, in.TotalSpend)
	in.TotalVisits = lastNamed(later.TotalVisits, in.TotalVisits)
	in.LastOrderAt = lastNamed(later.LastOrderAt, in.LastOrderAt)
	in.Status = lastNamed(later.Status, in.Status)
	return in
}

// lastNamed gives the later of two values of a field that is named in at least one post, nil if in none.
func lastNamed[T any](later, earlier *T) *T {
	if later != nil {
		return later
	}
	return earlier
}

// Row gives the customer as a line of a file: ParseRow reads it as a post that changes nothing of what it
// names.
func (c *Customer) Row() []string {
	row := []string{c.Name, c.Email, "", c.TotalSpend.String(), strconv.Itoa(int(c.TotalVisits)), "", c.Status}
	if c.Phone != nil {
		row[2] = *c.Phone
	}
	if c.LastOrderAt != nil {
		row[5] = c.LastOrderAt.UTC().Format(time.RFC3339Nano)
	}
	return row
}
