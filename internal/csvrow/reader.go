package csvrow

import (
	"bufio"
	"errors"
	"io"
)

// Fault is what is wrong with a record as a whole, "" if nothing is.
type Fault string

// The faults of a record. The text of each says what to do about it.
const (
	// TooLong is a record that takes more than the reader's bound. An open quote is found as one of these
	// or as Unclosed: it swallows the lines that follow.
	TooLong Fault = "row_too_long"
	// StrayQuote is a quote inside of a cell that does not begin with one.
	StrayQuote Fault = "stray_quote"
	// AfterQuote is text between a closing quote and the next comma.
	AfterQuote Fault = "text_after_quote"
	// Unclosed is a quote that is still open where the file ends.
	Unclosed Fault = "unclosed_quote"
)

// Advice says what is wrong and what to do.
func (f Fault) Advice() string {
	return map[Fault]string{
		TooLong:    "the row is too long; shorten it, and look for a quote that is never closed",
		StrayQuote: `a quote inside of a cell; put the cell in quotes and write "" for each quote in it`,
		AfterQuote: `text after a closing quote; write "" for a quote inside of a cell`,
		Unclosed:   "a quote is opened here and never closed, so that the rest of the file is one row; close it",
	}[f]
}

// Record is one record of a file.
type Record struct {
	// Line is where it begins, from 1: a cell in quotes may take several lines.
	Line int64
	// Cells are its own until the next Read. With a Fault they are not to be used.
	Cells []string
	Fault Fault
}

// Reader reads records in constant memory, whatever the file holds: what is wrong with one record is
// told in that record, and the next one is read.
type Reader struct {
	in   *bufio.Reader
	most int
	line int64

	// The record that is being read: its text, where each cell ends in it, and where the reader stands.
	text  []byte
	ends  []int
	cells []string
	state state
	fault Fault
	// quoted tells `""`, a record of one empty cell, from an empty line.
	quoted bool
}

// state is where in a cell the reader stands.
type state int

const (
	atStart state = iota
	inPlain
	inQuotes
	// afterQuote: the quote closed the cell, or the next one makes it a quote in the cell.
	afterQuote
	// afterQuoteCR: a carriage return after a closing quote, which only a line feed may follow.
	afterQuoteCR
)

// readBuffer is what is taken from the source at once: large enough that calls do not count.
const readBuffer = 64 << 10

// NewReader reads from a source. A record may have most bytes, counting each cell's text and one byte
// for each cell.
func NewReader(r io.Reader, most int) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, readBuffer), most: most, line: 1}
}

// Peek gives the next n bytes, or fewer at the end, without reading them.
func (r *Reader) Peek(n int) ([]byte, error) {
	head, err := r.in.Peek(n)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head, err
}

// SkipBOM skips the byte order mark that spreadsheets write before UTF-8.
func (r *Reader) SkipBOM() error {
	head, err := r.Peek(len(bom))
	if err == nil && string(head) == bom {
		_, err = r.in.Discard(len(bom))
	}
	return err
}

const bom = "\ufeff"

// Read gives the next record that is not an empty line; io.EOF after the last one.
func (r *Reader) Read() (Record, error) {
	for {
		begin := r.line
		if err := r.record(); err != nil {
			return Record{}, err
		}
		if r.fault != "" {
			return Record{Line: begin, Fault: r.fault}, nil
		}
		if len(r.ends) > 1 || len(r.text) > 0 || r.quoted {
			return Record{Line: begin, Cells: r.split()}, nil
		}
	}
}

// record reads up to the end of a line that ends a record.
func (r *Reader) record() error {
	r.text, r.ends, r.state, r.fault, r.quoted = r.text[:0], r.ends[:0], atStart, "", false
	for n := 0; ; n++ {
		b, err := r.in.ReadByte()
		if errors.Is(err, io.EOF) && n > 0 {
			r.finish()
			return nil
		}
		if err != nil {
			return err
		}
		if b == '\n' {
			r.line++
			if r.state != inQuotes {
				r.finish()
				return nil
			}
		}
		r.step(b)
	}
}

// step takes one byte that does not end the record.
func (r *Reader) step(b byte) {
	switch {
	case r.fault == StrayQuote || r.fault == AfterQuote:
		// Nobody knows what a quote means any more: the next line begins afresh.
	case r.state == inQuotes && b == '"':
		r.state = afterQuote
	case r.state == inQuotes:
		r.put(b)
	case r.state == afterQuoteCR:
		r.refuse(AfterQuote)
		r.state = inPlain
	case b == ',':
		r.endCell()
		r.state = atStart
	case b == '"' && r.state == afterQuote:
		r.put(b)
		r.state = inQuotes
	case b == '\r' && r.state == afterQuote:
		r.state = afterQuoteCR
	case r.state == afterQuote:
		r.refuse(AfterQuote)
		r.state = inPlain
	case b == '"' && r.state == atStart:
		r.state, r.quoted = inQuotes, true
	case b == '"':
		r.refuse(StrayQuote)
	default:
		r.state = inPlain
		r.put(b)
	}
}

// finish ends the last cell of the record. The carriage return of a line's end is not part of it.
func (r *Reader) finish() {
	if r.state == inQuotes {
		r.refuse(Unclosed)
	}
	if last := len(r.text) - 1; r.state == inPlain && last >= 0 && r.text[last] == '\r' {
		r.text = r.text[:last]
	}
	r.endCell()
}

func (r *Reader) put(b byte) {
	if len(r.text)+len(r.ends) >= r.most {
		r.refuse(TooLong)
		return
	}
	r.text = append(r.text, b)
}

func (r *Reader) endCell() {
	if len(r.text)+len(r.ends) >= r.most {
		r.refuse(TooLong)
		return
	}
	r.ends = append(r.ends, len(r.text))
}

// refuse keeps the first fault: the later ones follow from it.
func (r *Reader) refuse(f Fault) {
	if r.fault == "" {
		r.fault = f
	}
}

// split makes the cells, all of one string: one allocation a record.
func (r *Reader) split() []string {
	all, begin := string(r.text), 0
	r.cells = r.cells[:0]
	for _, end := range r.ends {
		r.cells = append(r.cells, all[begin:end])
		begin = end
	}
	return r.cells
}
