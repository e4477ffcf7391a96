package segment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Case is ignored for ASCII and for the letters of foldRanges, one letter for one letter. The
// table is ours because lower() follows the database's locale (ILIKE too), which Go cannot
// repeat; the case pairs of assigned letters never change between Unicode versions.

// foldRanges covers the languages of Europe, Greek, Cyrillic and Vietnamese. The scripts of
// India have no case.
func foldRanges() [][2]rune {
	return [][2]rune{
		{0x00C0, 0x017F}, // Latin-1 Supplement, Latin Extended-A
		{0x0370, 0x052F}, // Greek, Cyrillic
		{0x1E00, 0x1EFF}, // Latin Extended Additional
	}
}

// foldRune gives the lower-case partner of r, or r. A letter outside ASCII never folds into ASCII
// (U+0130 stays itself), so a search for ASCII text needs ASCII folding only.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}
	for _, span := range foldRanges() {
		if r < span[0] || r > span[1] {
			continue
		}
		if lower := unicode.ToLower(r); lower >= utf8.RuneSelf {
			return lower
		}
	}
	return r
}

// fold is what the four case-insensitive operators compare.
func fold(text string) string { return strings.Map(foldRune, text) }

// foldTable gives the letters outside ASCII that fold into a letter of needle, and those letters,
// as the second and third argument of PostgreSQL's translate(). A folded needle can meet no other
// letter that folds, so leaving those out changes no answer; translate takes time proportional to
// the table for every letter of every customer.
func foldTable(needle string) (string, string) {
	var from, to strings.Builder
	for _, span := range foldRanges() {
		for r := span[0]; r <= span[1]; r++ {
			if folded := foldRune(r); folded != r && strings.ContainsRune(needle, folded) {
				from.WriteRune(r)
				to.WriteRune(folded)
			}
		}
	}
	return from.String(), to.String()
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}
