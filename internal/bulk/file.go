package bulk

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/csvrow"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// maxRow is the largest row in bytes: what POST /customers takes as a body.
const maxRow = 100_000

// file reads customers from a CSV file.
type file struct {
	in      *csvrow.Reader
	columns []string
}

// openFile reads the header. A file whose rows cannot be told apart from a mistake is errs.Invalid as a
// whole, before anything is stored.
func openFile(r io.Reader) (*file, error) {
	in := csvrow.NewReader(r, maxRow)
	head, err := in.Peek(len(utf16LittleEndian))
	if err != nil {
		return nil, err
	}
	if s := string(head); s == utf16LittleEndian || s == utf16BigEndian {
		return nil, errs.Errorf(errs.Invalid, "the file is UTF-16; save it as CSV in UTF-8")
	}
	if err := in.SkipBOM(); err != nil {
		return nil, err
	}
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errs.Errorf(errs.Invalid, "the file is empty; its first line must name the columns: %s", known())
	}
	if err != nil {
		return nil, err
	}
	if header.Fault != "" {
		return nil, errs.Errorf(errs.Invalid, "line %d, the header: %s", header.Line, header.Fault.Advice())
	}
	f := &file{in: in}
	for _, name := range header.Cells {
		f.columns = append(f.columns, strings.TrimSpace(name))
	}
	return f, checkHeader(f.columns, header.Line)
}

// The byte order marks with which spreadsheets begin a file that they call Unicode.
const (
	utf16LittleEndian = "\xff\xfe"
	utf16BigEndian    = "\xfe\xff"
)

func known() string { return strings.Join(customer.Columns(), ", ") }

// checkHeader says everything that is wrong with the header at once.
func checkHeader(columns []string, line int64) error {
	var faults []string
	for i, name := range columns {
		switch {
		case !slices.Contains(customer.Columns(), name):
			faults = append(faults, strconv.Quote(shorten(name))+" is not known; known are "+known())
		case slices.Contains(columns[:i], name):
			faults = append(faults, strconv.Quote(name)+" is given twice")
		}
	}
	for _, name := range customer.RequiredColumns() {
		if !slices.Contains(columns, name) {
			faults = append(faults, strconv.Quote(name)+" is missing")
		}
	}
	if len(faults) == 0 {
		return nil
	}
	const most = 20 // nobody mends more at a time
	fields := make([]errs.Field, 0, most)
	for _, text := range faults[:min(len(faults), most)] {
		fields = append(fields, errs.Field{Message: "column " + text})
	}
	return errs.InvalidFields("line "+strconv.FormatInt(line, 10)+", the header, does not name the columns of a customer, "+
		"separated by commas: column "+faults[0], fields)
}

// shorten makes what stands for a column's name fit to be echoed.
func shorten(name string) string {
	const longest = 40
	name = strings.ToValidUTF8(name, "\ufffd")
	if utf8.RuneCountInString(name) > longest {
		name = string([]rune(name)[:longest])
	}
	return name
}

// next reads one row: a customer, or the errors that it has instead. At the end it gives io.EOF.
func (f *file) next() (customer.Input, []RowError, error) {
	rec, err := f.in.Read()
	if err != nil {
		return customer.Input{}, nil, err
	}
	if rec.Fault != "" {
		return customer.Input{}, []RowError{{Line: rec.Line, Code: string(rec.Fault), Message: rec.Fault.Advice()}}, nil
	}
	in, faults := f.parse(rec.Cells)
	for i := range faults {
		faults[i].Line = rec.Line
	}
	return in, faults, nil
}

func (f *file) parse(cells []string) (customer.Input, []RowError) {
	if len(cells) != len(f.columns) {
		text := "the row has " + strconv.Itoa(len(cells)) + " cells and the header " + strconv.Itoa(len(f.columns)) +
			"; write a comma for each cell that is left empty, and put a cell that holds a comma in quotes"
		return customer.Input{}, []RowError{{Code: CodeCells, Message: text}}
	}
	var faults []RowError
	for i, cell := range cells {
		if !utf8.ValidString(cell) {
			faults = append(faults, RowError{
				Column: f.columns[i], Code: CodeEncoding, Message: "is not UTF-8; save the file as CSV in UTF-8",
			})
		}
		cells[i] = csvrow.Unguard(cell)
	}
	if len(faults) > 0 {
		return customer.Input{}, faults
	}
	in, err := customer.ParseRow(f.columns, cells)
	return in, rowErrors(err)
}

// rowErrors gives the faults that the validation of a post has found.
func rowErrors(err error) []RowError {
	if err == nil {
		return nil
	}
	refusal, ok := errors.AsType[*errs.Error](err)
	if !ok || len(refusal.Fields) == 0 {
		return []RowError{{Code: CodeValidation, Message: "is not a customer"}} // Not reached: it names fields.
	}
	out := make([]RowError, len(refusal.Fields))
	for i, field := range refusal.Fields {
		out[i] = RowError{Column: strings.TrimPrefix(field.Pointer, "/"), Code: CodeValidation, Message: field.Message}
	}
	return out
}
