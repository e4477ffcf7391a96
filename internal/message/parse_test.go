package message_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
)

// TestParseRefuses lists what may not be saved and what its author is told.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, source, message string }{
		{"Empty", " \n", "must not be empty"},
		{"NUL", "a\x00b", "must be valid UTF-8 without NUL characters"},
		{"InvalidUTF8", "a\xff", "must be valid UTF-8 without NUL characters"},
		{"TooLong", strings.Repeat("é", message.MaxTemplateChars+1), "must have at most 10000 characters"},
		{"M5UnknownField", "a\nb {{ phone }}", `line 2: "phone" is not known; the fields are name, email, total_spend, total_orders, total_visits, unsubscribe_url`},
		{"M5OtherCase", "{{ Name }}", "line 1: Name must be written name"},
		{"OtherCaseInSingleBraces", "{Total_Spend}", "line 1: {Total_Spend} must be written {total_spend}"},
		{"UnknownOnAPathNotTaken", "{% if false %}{{ phone }}{% endif %}", `line 1: "phone" is not known; the fields are name, email, total_spend, total_orders, total_visits, unsubscribe_url`},
		{"UsedBeforeAssigned", "{{ x }}{% assign x = 1 %}", `line 1: "x" is not known; the fields are name, email, total_spend, total_orders, total_visits, unsubscribe_url`},
		{"LoopVariableOutsideItsLoop", "{% for i in (1..2) %}{% endfor %}{{ i }}", `line 1: "i" is not known; the fields are name, email, total_spend, total_orders, total_visits, unsubscribe_url`},
		{"HiddenVariable", "{{ name_given }}", `line 1: "name_given" is not known; the fields are name, email, total_spend, total_orders, total_visits, unsubscribe_url`},
		{"AssigningAField", "{% assign name = 1 %}", "line 1: name has a meaning already; take another name for the variable"},
		{"AssigningAHiddenVariable", "{% assign name_given = 1 %}", "line 1: name_given has a meaning already; take another name for the variable"},
		{"FilterWithoutPipe", "{{ name upcase }}", "line 1: upcase is a filter; write | upcase"},
		{"FilterArguments", `{{ name | replace: "a" }}`, `line 1: the filter replace must be written replace: "old", "new"`},
		{"Blank", "{% if name == blank %}{% endif %}", `line 1: blank is not known; compare with "" instead`},
		{"SingleEquals", "{% if name = 'x' %}{% endif %}", "line 1: = compares nothing; write =="},
		{"UnclosedObject", "Hi {{ name", `line 1: "{{ name" begins no complete {{ field }} or {% tag %}`},
		{"UnclosedQuote", "{{ 'abc }}", `line 1: the quote "'abc" is never closed`},
		{"UnclosedBlock", "\n{% if name %}", "line 2: {% if %} is never closed with {% endif %}"},
		{"UnclosedRaw", "{% raw %}x", "line 1: {% raw %} is never closed with {% endraw %}"},
		{"WrongEnd", "{% if name %}{% endfor %}{% endif %}", "line 1: {% endfor %} closes nothing that is open here"},
		{"ElseIf", "{% if name %}{% else if email %}{% endif %}", "line 1: {% else if %} must be written {% elsif … %}"},
		{"TripleBraces", "{{{name}}}", `line 1: "{name" cannot be understood`},
		{"Grammar", "{{ name | | upcase }}", `line 1: syntax error in "name | | upcase"`},
		{"GoTemplate", "{{.Password}}", "line 1: .Password is not known here; allowed are .size, .first, .last"},
		{"GoMethods", "{{ total_spend.String }}", "line 1: .String is not known here; allowed are .size, .first, .last"},
		{"Include", `{% include "/etc/passwd" %}`, "line 1: {% include %} is not a tag that messages may use; those are assign, break, capture, case, comment, continue, for, if, raw, unless"},
		{"Render", `{% render "x" %}`, "line 1: {% render %} is not a tag that messages may use; those are assign, break, capture, case, comment, continue, for, if, raw, unless"},
		{"InternalTag", "{% boundedcapture x %}{% endboundedcapture %}", "line 1: {% boundedcapture %} is not a tag that messages may use; those are assign, break, capture, case, comment, continue, for, if, raw, unless"},
		{"LongRange", "{% for i in (1..1001) %}{% endfor %}", "line 1: loops run for up to 1001 rounds together; at most 1000 are allowed, nested loops multiply"},
		{"HugeRange", "{% for i in (1..1000000000) %}{% endfor %}", "line 1: a for loop over a range needs numbers up to 999999 at both ends, or a limit such as limit: 10"},
		{"VariableRange", "{% for i in (1..total_orders) %}{% endfor %}", "line 1: a for loop over a range needs numbers up to 999999 at both ends, or a limit such as limit: 10"},
		{"NestedLoops", "{% for i in (1..40) %}{% for j in (1..40) %}{% endfor %}{% endfor %}", "line 1: loops run for up to 1640 rounds together; at most 1000 are allowed, nested loops multiply"},
		{"LongBodies", "{% for i in (1..900) %}" + strings.Repeat("{{ name }}.", 20) + "{% endfor %}", "line 1: one message would take up to 36901 steps; at most 20000 are allowed: shorten the loops"},
		{"RangeOutsideLoop", "{{ (1..1000000000) | size }}", "line 1: a range such as (1..5) may stand only in {% for x in (1..5) %}, without filters"},
		{"FilteredRangeInLoop", "{% for i in (1..1000000000) | reverse limit: 1 %}{% endfor %}", "line 1: a range such as (1..5) may stand only in {% for x in (1..5) %}, without filters"},
		{"NegativeLimit", "{% for i in (1..9) limit: -1 %}{% endfor %}", "line 1: limit: must be followed by a whole number from 0 to 999999"},
		{"HugeNumber", "{{ 99999999999999999999 }}", `line 1: "99999999999999999999" is not a number of at most 15 digits and 6 decimals`},
		{"DeepBlocks", strings.Repeat("{% if name %}", 11) + strings.Repeat("{% endif %}", 11), "line 1: blocks are nested more than 10 deep"},
		{"DeepBrackets", "{{ " + strings.Repeat("(", 11) + "1" + strings.Repeat(")", 11) + " }}", "line 1: brackets are nested more than 10 deep"},
		{"Doubling", "{% assign a = 'x' %}{% for i in (1..99) %}{% assign a = a | append: a %}{% endfor %}", "cannot be rendered for a typical customer: filter append: a text in it grows beyond 4 KB"},
		{"DoublingByReplace", "{% assign a = 'x' %}{% for i in (1..99) %}{% assign a = a | replace: '', a %}{% endfor %}", "cannot be rendered for a typical customer: filter replace: a text in it grows beyond 4 KB"},
		{"DoublingByCapture", "{% assign a = 'x' %}{% for i in (1..99) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}", "cannot be rendered for a typical customer: a text in it grows beyond 4 KB"},
		{"LongOutput", "{% for i in (1..999) %}0123456789012345678901234567890{% endfor %}", "cannot be rendered for a typical customer: the message is longer than 20 KB"},
		{"LongOnlyForLongNames", strings.Repeat("{{name}}", 21), "cannot be rendered for a customer with the longest name and the largest numbers: the message is longer than 20 KB"},
		{"DivisionByZeroOrders", "{{ total_spend | divided_by: total_orders }}", "cannot be rendered for a customer of whom nothing is known: filter divided_by: divides by zero"},
		{"ArithmeticOnText", "{{ name | plus: 1 }}", "cannot be rendered for a typical customer: filter plus: is given something that is not a number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			template, err := message.Parse(tt.source)
			require.Nil(t, template)
			require.True(t, errs.Is(err, errs.Invalid))
			refusal, ok := errors.AsType[*errs.Error](err)
			require.True(t, ok)
			require.Equal(t, "/message_template", refusal.Fields[0].Pointer)
			require.Equal(t, tt.message, refusal.Fields[0].Message)
		})
	}

	t.Run("SeveralFaultsAtOnce", func(t *testing.T) {
		t.Parallel()
		_, err := message.Parse(strings.Repeat("{{ a }}\n", 30))
		refusal, ok := errors.AsType[*errs.Error](err)
		require.True(t, ok)
		require.Len(t, refusal.Fields, 20)
	})
}

// TestRenderIsBounded runs what costs most within the limits. Each takes 50 ms at most when alone;
// the bound leaves room for the race detector and busy machines, and an endless loop breaks it.
func TestRenderIsBounded(t *testing.T) {
	t.Parallel()
	const bound = 15 * time.Second
	long := "{% assign a = '" + strings.Repeat("é", 1000) + "' %}"
	parts := long + "{% assign p = name | split: '' %}"
	tests := map[string]string{
		"Filters":  long + "{{ a" + strings.Repeat("|upcase|downcase", 500) + " | size }}",
		"Replace":  long + "{{ a" + strings.Repeat("|replace:'é','e'|replace:'e','é'", 200) + " | size }}",
		"Compare":  parts + strings.Repeat("{% if p == p and p contains 'é' %}{% endif %}", 180),
		"Contains": long + strings.Repeat("{% if a contains 'éx' %}{% endif %}", 220),
		"Loop":     long + "{% for i in (1..950) %}{% assign b = a | upcase %}{% endfor %}",
		"Brackets": "{{ name" + strings.Repeat("[0]", 2000) + " }}",
		"Ands":     "{% if true" + strings.Repeat(" and true", 1000) + " %}{% endif %}",
		"Openers":  strings.Repeat("{{", 5000),
		"Openers2": strings.Repeat("{%", 5000),
		"Braces":   strings.Repeat("{name", 2000),
	}
	for name, source := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			template, err := message.Parse(source)
			t.Logf("parsed in %v: %.80v", time.Since(start), err)
			if err == nil {
				_, err = template.Render(person(strings.Repeat("é", 255), "", "1", 1, 1))
				t.Logf("and rendered: %v", err)
			}
			require.Less(t, time.Since(start), bound)
		})
	}
}
