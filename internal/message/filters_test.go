package message_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	tests := []struct{ expression, want string }{
		{`"a" | append: 5`, "a5"},
		{`"a" | prepend: "b"`, "ba"},
		{`"éCOLE d'été" | capitalize`, "École d'été"},
		{`"" | capitalize`, ""},
		{`"ÀB" | downcase`, "àb"},
		{`"àb" | upcase`, "ÀB"},
		{`"<a & b>" | escape`, "&lt;a &amp; b&gt;"},
		{`"a b&c" | url_encode`, "a+b%26c"},
		{`" a " | lstrip | append: "|"`, "a |"},
		{`" a " | rstrip | append: "|"`, " a|"},
		{`" a " | strip | append: "|"`, "a|"},
		{`"a\r\nb" | strip_newlines`, "ab"},
		{`"a\nb" | newline_to_br`, "a<br />\nb"},
		{`"aXbXc" | remove: "X"`, "abc"},
		{`"aXbXc" | remove_first: "X"`, "abXc"},
		{`"aXbXc" | replace: "X", "-"`, "a-b-c"},
		{`"aXbXc" | replace_first: "X", "-"`, "a-bXc"},
		{`"ab" | replace: "", "-"`, "-a-b-"},
		{`"héllo" | slice: 1`, "é"},
		{`"héllo" | slice: 1, 3`, "éll"},
		{`"héllo" | slice: -3, 2`, "ll"},
		{`"héllo" | slice: 9, -5`, ""},
		{`"héllo" | size`, "5"},
		{`7 | size`, "0"},
		{`"a b c" | truncatewords: 2`, "a b..."},
		{`"a b c" | truncatewords: 2, "…"`, "a b…"},
		{`"a b" | truncatewords`, "a b"},
		{`"abcdef" | truncate: 5`, "ab..."},
		{`"abcdef" | truncate: 2`, "..."},
		{`"abcdef" | truncate`, "abcdef"},
		{`"b,a,," | split: "," | join: "-"`, "b-a"},
		{`" b  a " | split: " " | join`, "b a"},
		{`"b,a" | split: "," | first`, "b"},
		{`"b,a" | split: "," | last`, "a"},
		{`"b,a" | split: "," | size`, "2"},
		{`"b,a" | split: ","`, "ba"},
		{`"" | split: "," | first | default: "none"`, "none"},
		{`"" | split: "," | last`, ""},
		{`"" | split: "," | default: "none"`, "none"},
		{`"text" | join: ","`, "text"},
		{`false | default: "x"`, "x"},
		{`0 | default: "x"`, "0"},
		{`true | append: ""`, "true"},
		{`1.50 | append: ""`, "1.5"},
		{`nil | append: "x"`, "x"},
		{`1 | pluralize: "order", "orders"`, "order"},
		{`-5 | abs`, "5"},
		{`1.2 | ceil`, "2"},
		{`-1.2 | floor`, "-2"},
		{`"1.2" | plus: "3"`, "4.2"},
		{`0.1 | plus: 0.2`, "0.3"},
		{`5 | minus: 7`, "-2"},
		{`5 | times: 1.5`, "7.5"},
		{`-7 | divided_by: 2`, "-4"},
		{`7 | divided_by: 2.0`, "3.5"},
		{`1.0 | divided_by: 3`, "0.333333"},
		{`7 | modulo: 4`, "3"},
		{`1.255 | round: 2`, "1.26"},
		{`1.5 | round`, "2"},
		{`1.5 | round: 99`, "1.5"},
		{`3 | at_least: 5`, "5"},
		{`3 | at_most: 2`, "2"},
		{`nil | plus: 1`, "1"},
		{`250000 | money`, "₹2,50,000"},
		{`250000 | money | plain`, "250000"},
	}
	for _, tt := range tests {
		t.Run(tt.expression, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, render(t, "{{ "+tt.expression+" }}", asha()))
		})
	}
}

func TestFiltersRefuse(t *testing.T) {
	t.Parallel()
	tests := []struct{ expression, reason string }{
		{`999999999999 | plus: 1`, "filter plus: gives a number of more than 12 digits"},
		{`1 | divided_by: 0`, "filter divided_by: divides by zero"},
		{`1 | modulo: 0`, "filter modulo: divides by zero"},
		{`"x" | abs`, "filter abs: is given something that is not a number"},
		{`1 | plus: "1e999999999"`, "filter plus: is given something that is not a number"},
		{`"x" | money`, "filter money: is given something that is not a number"},
		{`"x" | plain`, "filter plain: is given something that is not a number"},
		{`"x" | pluralize: "a", "b"`, "filter pluralize: is given something that is not a number"},
		{`"abc" | slice: "1"`, "filter slice: needs whole numbers"},
		{`1 | round: "1"`, "filter round: needs whole numbers"},
		{`"abc" | truncate: 1.5`, "filter truncate: needs whole numbers"},
		{`"` + strings.Repeat("a", 5000) + `" | upcase`, "filter upcase: a text in it grows beyond 4 KB"},
		{`"` + strings.Repeat("<", 2000) + `" | escape`, "filter escape: a text in it grows beyond 4 KB"},
		{`"` + strings.Repeat("a", 300) + `" | split: ""`, "filter split: splits into more than 256 parts"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			_, err := message.Parse("{{ " + tt.expression + " }}")
			require.True(t, errs.Is(err, errs.Invalid))
			require.ErrorContains(t, err, tt.reason)
		})
	}
}
