package message_test

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
)

func person(name, email, spend string, orders, visits int32) message.Recipient {
	amount := decimal.RequireFromString(spend)
	return message.Recipient{
		Name: &name, Email: &email, TotalSpend: &amount, TotalOrders: &orders, TotalVisits: &visits,
		UnsubscribeURL: func() string { return "https://crm.example.com/u/AQGX5bUqkHpkijw6XvLEOhE" },
	}
}

func asha() message.Recipient { return person("Asha Rao", "asha@example.com", "1234567.89", 7, 12) }

func render(t require.TestingT, source string, r message.Recipient) string {
	template, err := message.Parse(source)
	require.NoError(t, err, source)
	text, err := template.Render(r)
	require.NoError(t, err, source)
	return text
}

func TestRender(t *testing.T) {
	t.Parallel()
	nobody := message.Recipient{}
	few := person("", "", "5000", 1, 1)

	tests := []struct {
		name, source string
		recipient    message.Recipient
		want         string
	}{
		{
			"KeepsTheReferencesPlaceholders", "{{name}}|{{email}}|{{total_spend}}|{{total_orders}}|{{total_visits}}",
			asha(), "Asha Rao|asha@example.com|₹12,34,567.89|7|12",
		},
		{
			"M9FallsBackAsTheReferenceDoes", "{{name}}|{{email}}|{{total_spend}}|{{total_orders}}|{{total_visits}}",
			nobody, "Customer||₹0|0|0",
		},
		{
			"LinksToUnsubscribe", "{unsubscribe_url}|{{ unsubscribe_url }}|{% if unsubscribe_url %}{{ unsubscribe_url | size }}{% endif %}",
			asha(), "https://crm.example.com/u/AQGX5bUqkHpkijw6XvLEOhE|https://crm.example.com/u/AQGX5bUqkHpkijw6XvLEOhE|49",
		},
		{"TakesAnEmptyNameForNone", "{{ name }}", few, "Customer"},
		{"AllowsSpaces", "Hi {{  name  }}!", asha(), "Hi Asha Rao!"},
		{"ExpandsSingleBraces", "{name} {total_spend} {foo} {} {name", asha(), "Asha Rao ₹12,34,567.89 {foo} {} {name"},
		{"LeavesSingleBracesInRaw", "{% raw %}{name} {{ name }}{% endraw %}", asha(), "{name} {{ name }}"},
		{"LeavesSingleBracesInStrings", `{{ "{name}" }}`, asha(), "{name}"},
		{"DropsComments", "a{% comment %}{name} {{ nonsense | {% endcomment %}b", asha(), "ab"},
		{"DefaultSeesMissingValues", `{{ name | default: "friend" }} {{ total_orders | default: "no" }}`, nobody, "friend no"},
		{"DefaultKeepsGivenValues", `{{ name | default: "friend" }} {{ total_orders | default: "no" }}`, asha(), "Asha Rao 7"},
		{"DefaultInAssign", `{% assign n = name | default: "you" %}{{ n }}`, nobody, "you"},
		{"ComparesSpendAsANumber", "{% if total_spend > 5000 %}VIP{% else %}-{% endif %}", asha(), "VIP"},
		{"ComparesSpendExactly", "{% if total_spend == 1234567.89 %}=/{% endif %}{% if total_spend < 1234567.9 %}<{% endif %}", asha(), "=/<"},
		{"ComparesSpendTheOtherWayRound", "{% if 5000 <= total_spend %}yes{% endif %}", few, "yes"},
		{"ComputesWithSpend", "{{ total_spend | divided_by: 2 }} {{ total_spend | plus: 0.11 | plain }}", asha(), "₹6,17,283.945 1234568"},
		{"PrintsAmountsInText", `{{ total_spend | append: "!" }}`, few, "₹5,000!"},
		{"DividesWholeNumbersDown", "{{ total_orders | divided_by: 2 }} {{ total_orders | times: 0.5 }}", asha(), "3 3.5"},
		{"Branches", "{% case total_orders %}{% when 0 %}new{% when 1, 2 %}few{% else %}many{% endcase %}", few, "few"},
		{"Loops", "{% for i in (1..3) %}{{ forloop.index }}{% if i == 2 %}{% break %}{% endif %},{% endfor %}", asha(), "1,2"},
		{"LoopsOverWords", `{% for w in name | split: " " reversed %}{{ w | upcase }} {% endfor %}`, asha(), "RAO ASHA "},
		{"LoopsAsOftenAsANumberSays", "{% for i in (1..total_orders) limit: 5 %}*{% else %}none{% endfor %}", asha(), "*****"},
		{"LoopsOverNothing", "{% for i in (1..total_orders) limit: 5 %}*{% else %}none{% endfor %}", nobody, "none"},
		{"Captures", "{% capture hi %}Hi {{ name }}{% endcapture %}{{ hi }}, {{ hi | size }}", asha(), "Hi Asha Rao, 11"},
		{"ReadsAnUnassignedVariableAsNothing", "{% if total_orders > 100 %}{% assign x = 1 %}{% endif %}[{{ x }}]", asha(), "[]"},
		{"TrimsSpace", "a {{- name -}} b", asha(), "aAsha Raob"},
		{"Pluralizes", `{{ total_orders }} {{ total_orders | pluralize: "order", "orders" }}`, few, "1 order"},
		{"Shortens", `{{ name | truncate: 6, "…" }} {{ name | slice: -3, 3 }} {{ name | split: " " | first }}`, asha(), "Asha … Rao Asha"},
		{"KeepsUnicode", "नमस्ते {{name}} 😀 {{ 'ünï' | upcase }}", asha(), "नमस्ते Asha Rao 😀 ÜNÏ"},
		{"KeepsLineBreaks", "Hi {{name}},\n\nbye", asha(), "Hi Asha Rao,\n\nbye"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, render(t, tt.source, tt.recipient))
		})
	}

	t.Run("CleansDataThatCannotBeStored", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "AB\uFFFD", render(t, "{{name}}", person("A\x00B\xff", "", "0", 0, 0)))
	})

	t.Run("RefusesAmountsThatItCouldNotPrintExactly", func(t *testing.T) {
		t.Parallel()
		template, err := message.Parse("{{total_spend}}")
		require.NoError(t, err)
		for _, amount := range []string{"1000000000000", "-1e12", "999999999999.9999", "1e400", "1e-400", "1e9999"} {
			_, err := template.Render(person("a", "b", amount, 0, 0))
			require.True(t, errs.Is(err, errs.Invalid), amount)
		}
	})

	t.Run("ErrorsDoNotQuoteData", func(t *testing.T) {
		t.Parallel()
		template, err := message.Parse(
			"{% if total_visits == 99 %}{% for i in (1..name) limit: 2 %}x{% endfor %}{% endif %}")
		require.NoError(t, err)
		_, err = template.Render(person("Canary", "b", "1", 0, 99))
		require.True(t, errs.Is(err, errs.Invalid))
		require.NotContains(t, err.Error(), "Canary")
	})

	t.Run("IsSafeForConcurrentUse", func(t *testing.T) {
		t.Parallel()
		template, err := message.Parse(
			`{% assign a = name | upcase %}{% for i in (1..3) %}{% capture b %}{{ a }}{{ i }}{% endcapture %}{{ b }}{% endfor %}{{ total_spend }}`)
		require.NoError(t, err)
		var group sync.WaitGroup
		for n := range 8 {
			name := strings.Repeat("x", n+1)
			group.Go(func() {
				want := strings.ToUpper(name)
				for range 100 {
					text, err := template.Render(person(name, "", "5", 0, 0))
					if err != nil || text != want+"1"+want+"2"+want+"3₹5" {
						t.Errorf("%q, %v", text, err)
					}
				}
			})
		}
		group.Wait()
	})
}

// TestD9DataIsNeverParsed renders hostile names, alone and through every kind of template.
func TestD9DataIsNeverParsed(t *testing.T) {
	t.Parallel()
	hostile := []string{
		"{{email}}", "{email}", "{{ email }}", "A$&B", "$1", "{% raw %}", "{% endraw %}", "{{", "}}", `\`,
		"%}", "{{ name | upcase }}", "<b>", `"`, "'", "{% include 'x' %}",
	}
	sources := []string{
		"{{name}}", "{name}", "{{ name | append: '' }}", "{% assign n = name %}{{ n }}",
		"{% capture n %}{{ name }}{% endcapture %}{{ n }}", "{% if true %}{{ name }}{% endif %}",
		"{% for i in (1..1) %}{{ name }}{% endfor %}",
	}
	for _, source := range sources {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			for _, name := range hostile {
				require.Equal(t, name, render(t, source, person(name, "secret", "0", 0, 0)))
			}
		})
	}

	t.Run("Property", func(t *testing.T) {
		t.Parallel()
		template, err := message.Parse("{{ email }}<{{ name }}>{name}")
		require.NoError(t, err)
		rapid.Check(t, func(t *rapid.T) {
			pieces := rapid.SampledFrom([]string{"{", "}", "{{", "}}", "{%", "name", "email", "$&", " ", "é"})
			name := "n" + strings.Join(rapid.SliceOf(pieces).Draw(t, "name"), "")
			email := "e" + strings.Join(rapid.SliceOf(pieces).Draw(t, "email"), "")
			text, err := template.Render(person(name, email, "0", 0, 0))
			require.NoError(t, err)
			require.Equal(t, email+"<"+name+">"+name, text)
		})
	})
}

func TestFields(t *testing.T) {
	t.Parallel()
	typical := person("Asha Rao", "asha@example.com", "12345.50", 7, 12)
	for _, field := range message.Fields() {
		require.NotEmpty(t, field.Description)
		require.Equal(t, field.Example, render(t, "{{ "+field.Name+" }}", typical))
		require.Equal(t, field.Fallback, render(t, "{{ "+field.Name+" }}", message.Recipient{}))
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"Hi {{name}} {email}", "{% if total_spend > 5 %}a{% elsif name == 'x' %}b{% else %}c{% endif %}",
		`{% for w in name | split: "" limit: 3 offset: 1 %}{{ w | append: name | replace: "a", name }}{% endfor %}`,
		"{% capture x %}{{ email }}{% endcapture %}{{ x.size }}{{ x[0] }}", "{%- case total_orders -%}{% when 1 or 2 %}x{% endcase %}",
		"{{ 1 | plus: 2 | times: -3.5 | divided_by: total_visits }}", "{% raw %}{{{% endraw %}", "{{ (name) contains \"a\\\"b\" }}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		template, err := message.Parse(source)
		if err != nil {
			require.True(t, errs.Is(err, errs.Invalid))
			return
		}
		for _, r := range []message.Recipient{asha(), {}} {
			text, err := template.Render(r)
			if err != nil {
				require.True(t, errs.Is(err, errs.Invalid))
				continue
			}
			require.True(t, utf8.ValidString(text))
			require.NotContains(t, text, "\x00")
			require.LessOrEqual(t, len(text), message.MaxOutputBytes)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	for name, source := range map[string]string{
		"Plain":  "Hi {{name}}, you have spent {{total_spend}} in {{total_orders}} orders. Thank you!",
		"Liquid": "Hi {{ name | default: 'you' }}, {% if total_spend > 5000 %}VIP{% else %}hello{% endif %} {{total_spend}}",
	} {
		template, err := message.Parse(source)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			recipient := asha()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := template.Render(recipient); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := message.Parse("Hi {{name}}, you have spent {{total_spend}}."); err != nil {
			b.Fatal(err)
		}
	}
}
