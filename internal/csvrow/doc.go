// Package csvrow reads and writes the records of CSV files (RFC 4180) that come from anybody, and go to
// anybody's spreadsheet.
//
// It owns the grammar, the bound on the size of a record, and the guard against cells that a
// spreadsheet would take for a formula. What the cells mean is not its business.
package csvrow
