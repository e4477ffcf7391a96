package message

import (
	"errors"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/errs"
)

// sample is a customer on whom a template is tried out before it is saved.
type sample struct {
	who       string
	recipient Recipient
}

// samples are the ends of what the columns hold. Most run-time errors, such as a division by the
// number of orders, show on one of them.
func samples() []sample {
	return []sample{
		{"a typical customer", recipient("Asha Rao", "asha@example.com", "12345.50", 7, 12)},
		{"a customer of whom nothing is known", Recipient{}},
		{"a new customer", recipient("A", "a@b.co", "0", 0, 0)},
		{"a customer with the longest name and the largest numbers", recipient(
			strings.Repeat("𝔄", 255), strings.Repeat("m", 255), "9999999999.99", 1<<31-1, 1<<31-1)},
	}
}

func recipient(name, email, spend string, orders, visits int32) Recipient {
	amount := decimal.RequireFromString(spend)
	return Recipient{
		Name: &name, Email: &email, TotalSpend: &amount, TotalOrders: &orders, TotalVisits: &visits,
		// As long as the longest: a public address of 200 characters and a token of 87.
		UnsubscribeURL: func() string { return "https://" + strings.Repeat("u", 279) },
	}
}

func (t *Template) tryOut() error {
	for _, s := range samples() {
		_, err := t.Render(s.recipient)
		if refusal, ok := errors.AsType[*errs.Error](err); ok {
			return invalid(strings.Replace(strings.TrimPrefix(refusal.Text, "message_template "),
				"this customer", s.who, 1))
		}
	}
	return nil
}
