package message_test

import (
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/message"
)

// TestFormatINR has the values that the reference's function was seen to print.
func TestFormatINR(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]string{
		"0": "₹0", "0.00": "₹0", "5": "₹5", "999": "₹999", "1000": "₹1,000", "5000": "₹5,000",
		"1234.50": "₹1,234.5", "99999": "₹99,999", "100000": "₹1,00,000", "1234567.89": "₹12,34,567.89",
		"9999999999.99": "₹9,99,99,99,999.99", "0.0005": "₹0.001", "0.0004": "₹0", "1.2345": "₹1.235",
		"-1234.5": "₹-1,234.5", "1e3": "₹1,000",
	} {
		require.Equal(t, want, message.FormatINR(decimal.RequireFromString(amount)), amount)
	}
}
