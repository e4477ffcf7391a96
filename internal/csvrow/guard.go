package csvrow

import "strings"

// formula are the characters with which a spreadsheet takes a cell for a formula; tab and carriage
// return are skipped by some before they look.
const formula = "=+-@\t\r"

// Guard makes a cell harmless to a spreadsheet: one that begins like a formula gets an apostrophe, which
// spreadsheets read as "this is text". So does one that looks guarded already, so that Unguard gives
// every cell back as it was.
func Guard(cell string) string {
	if guardable(cell) {
		return "'" + cell
	}
	return cell
}

// Unguard takes the apostrophe of Guard off.
func Unguard(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && guardable(rest) {
		return rest
	}
	return cell
}

// guardable reports whether a cell begins like a formula, behind any number of apostrophes.
func guardable(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	return rest != "" && strings.IndexByte(formula, rest[0]) >= 0
}
