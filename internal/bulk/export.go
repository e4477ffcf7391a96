package bulk

import (
	"context"
	"encoding/csv"
	"io"

	"github.com/xencrm/xencrm/internal/csvrow"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
)

// exportPage is how many customers are in memory at once; each page is one query.
const exportPage = 1000

// Lister gives pages of customers; see customer.Records.
type Lister interface {
	List(ctx context.Context, f customer.Filter) (cursor.Page[customer.Record], error)
}

// Export is a file of customers that is about to be written.
type Export struct {
	lister Lister
	filter customer.Filter
	page   cursor.Page[customer.Record]
}

// OpenExport reads the first page: what is wrong is told before anything is written.
func OpenExport(ctx context.Context, l Lister, f customer.Filter) (*Export, error) {
	f.Limit = exportPage
	first, err := l.List(ctx, f)
	return &Export{lister: l, filter: f, page: first}, err
}

// WriteCSV writes the file that an import reads: the header, and a row for each customer but those who
// were erased. It is not one snapshot: customers that come while it is written may or may not be in it,
// and nobody is in it twice unless the order is by name and the name was changed.
func (e *Export) WriteCSV(ctx context.Context, w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(customer.Columns()); err != nil {
		return err
	}
	for {
		for i := range e.page.Items {
			if err := writeCustomer(out, &e.page.Items[i].Customer); err != nil {
				return err
			}
		}
		out.Flush()
		if err := out.Error(); err != nil || e.page.Next.IsZero() {
			return err
		}
		e.filter.After = e.page.Next
		var err error
		if e.page, err = e.lister.List(ctx, e.filter); err != nil {
			return err
		}
	}
}

func writeCustomer(out *csv.Writer, c *customer.Customer) error {
	if c.Erased() {
		return nil
	}
	row := c.Row()
	for i, cell := range row {
		row[i] = csvrow.Guard(cell)
	}
	return out.Write(row)
}
