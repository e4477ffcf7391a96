package bulk

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// batchRows is how many rows of the file become customers in one transaction: it holds the locks of
// its customers for some two hundred milliseconds, and larger ones were not faster.
const batchRows = 5000

// collector puts rows together into batches.
type collector struct {
	batch   Batch
	byEmail map[string]int
	kept    int // errors so far, in all batches
}

func newCollector() *collector { return &collector{batch: Batch{Number: 1}, byEmail: map[string]int{}} }

func (c *collector) full() bool  { return c.batch.Read >= batchRows }
func (c *collector) empty() bool { return c.batch.Read == 0 }

func (c *collector) refuse(faults []RowError) {
	c.batch.Read++
	c.batch.Refused++
	c.batch.Faults += len(faults)
	for _, f := range faults[:min(len(faults), MaxErrors-c.kept)] {
		c.kept++
		f.Number = c.kept
		c.batch.Errors = append(c.batch.Errors, f)
	}
}

// accept adds a customer. A second row of the same address in a batch is applied to the first, as the
// second of two posts is.
func (c *collector) accept(in customer.Input) error {
	c.batch.Read++
	c.batch.Accepted++
	in = detach(in)
	if at, again := c.byEmail[in.Email]; again {
		c.batch.Rows[at].Input = c.batch.Rows[at].Input.Then(in)
		return nil
	}
	customerID, err := uuid.NewV7()
	if err != nil {
		return errs.Wrap(errs.Internal, err, "make customer id")
	}
	eventID, err := uuid.NewV7()
	if err != nil {
		return errs.Wrap(errs.Internal, err, "make event id")
	}
	c.byEmail[in.Email] = len(c.batch.Rows)
	c.batch.Rows = append(c.batch.Rows, Row{CustomerID: customerID, EventID: eventID, Input: in})
	return nil
}

// detach frees an input from the text of its row, which may be a hundred kilobytes of blanks around it.
func detach(in customer.Input) customer.Input {
	in.Name, in.Email = strings.Clone(in.Name), strings.Clone(in.Email)
	for _, s := range []*string{in.Phone, in.Status} {
		if s != nil {
			*s = strings.Clone(*s)
		}
	}
	return in
}

// take gives the batch, its rows in the order in which they are applied, and begins the next one.
func (c *collector) take() Batch {
	b := c.batch
	slices.SortFunc(b.Rows, func(x, y Row) int { return strings.Compare(x.Input.Email, y.Input.Email) })
	c.batch = Batch{Number: b.Number + 1, Rows: make([]Row, 0, len(b.Rows))}
	clear(c.byEmail)
	return b
}
