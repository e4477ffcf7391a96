package vendor_test

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

const goodReceipt = `{"receipt_id":"r-1","communication_id":"m-1","campaign_id":"c-1","vendor_ref":"v-1","attempt":1,` +
	`"status":"FAILED","error_code":"EMAIL_BOUNCED","error_message":"Email address bounced","occurred_at":"2026-11-02T10:00:00Z"}`

func TestError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		err    *vendor.Error
		code   errs.Code
		spends bool
	}{
		{"Permanent", &vendor.Error{Kind: vendor.Permanent, Code: vendor.InvalidEmail}, errs.Invalid, true},
		{"RateLimited", &vendor.Error{Kind: vendor.Retryable, Code: vendor.QuotaExceeded}, errs.RateLimited, true},
		{"Unavailable", &vendor.Error{Kind: vendor.Retryable, Code: vendor.TemporaryFailure}, errs.Unavailable, true},
		{"Ambiguous", &vendor.Error{Kind: vendor.Ambiguous, Code: vendor.NoAnswer, Cause: context.Canceled}, errs.Unknown, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.code, errs.CodeOf(tt.err))
			require.Equal(t, tt.spends, tt.err.UsesAttempt())
			if tt.err.Cause != nil {
				require.ErrorIs(t, tt.err, tt.err.Cause)
			}
		})
	}
}

func TestRequestBodyIsTheSameOnEveryAttempt(t *testing.T) {
	t.Parallel()
	r := vendor.Request{CommunicationID: "m-1", Body: "<hi>", Attempt: 1, MaxAttempts: 3}
	first, err := json.Marshal(r)
	require.NoError(t, err)
	r.Attempt, r.MaxAttempts = 2, 6
	second, err := json.Marshal(r)
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
}

// read decodes and validates the only receipt of a body.
func read(receipt string) (vendor.Receipt, error) {
	all, err := vendor.DecodeReceipts([]byte(`{"receipts":[` + receipt + `]}`))
	if err != nil {
		return vendor.Receipt{}, err
	}
	return all[0].Receipt, cmp.Or(all[0].Err, all[0].Receipt.Validate())
}

func TestDecodeReceipts(t *testing.T) {
	t.Parallel()

	t.Run("OneBadReceiptDoesNotTakeItsNeighbours", func(t *testing.T) {
		t.Parallel()
		all, err := vendor.DecodeReceipts([]byte(`{"version":2,"receipts":[` + goodReceipt + `,{"status":1},7,` + goodReceipt + `]}`))
		require.NoError(t, err)
		require.Len(t, all, 4)
		for _, good := range []int{0, 3} {
			require.NoError(t, all[good].Err)
			require.NoError(t, all[good].Receipt.Validate())
		}
		for _, bad := range []int{1, 2} {
			require.Equal(t, errs.Invalid, errs.CodeOf(all[bad].Err))
		}
	})

	for name, body := range map[string]string{
		"Empty": "", "Null": "null", "Array": "[]", "NoList": "{}", "EmptyList": `{"receipts":[]}`,
		"NotAList": `{"receipts":{}}`, "Twice": `{"receipts":[1],"receipts":[2]}`, "CaseVariant": `{"Receipts":[1]}`,
		"EscapedTwice": `{"receipts":[1],"receipt\u0073":[2]}`, "Trailing": `{"receipts":[1]}x`,
		"TooMany": `{"receipts":[1` + strings.Repeat(",1", vendor.MaxReceipts) + `]}`,
		"Wide":    `{"receipts":[1]` + wide(100) + `}`,
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			_, err := vendor.DecodeReceipts([]byte(body))
			require.Equal(t, errs.Invalid, errs.CodeOf(err))
		})
	}
}

func wide(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"m` + strings.Repeat("x", i) + `":1`)
	}
	return b.String()
}

func TestReadsAReceipt(t *testing.T) {
	t.Parallel()
	good, err := read(`{"extra":{"status":"x","a":[1,{"b":"}"}]},` + goodReceipt[1:])
	require.NoError(t, err)
	require.Equal(t, vendor.EmailBounced, good.ErrorCode)

	tests := []struct{ name, old, replaced, pointer string }{
		{"NoReceiptID", `"r-1"`, `""`, "/receipt_id"},
		{"SpacesInID", `"m-1"`, `"m 1"`, "/communication_id"},
		{"NULInReference", `"v-1"`, `"v\u0000"`, "/vendor_ref"},
		{"LongCampaign", `"c-1"`, `"` + strings.Repeat("c", 256) + `"`, "/campaign_id"},
		{"UnknownStatus", `"FAILED"`, `"OPENED_TWICE"`, "/status"},
		{"NegativeAttempt", `"attempt":1`, `"attempt":-1`, "/attempt"},
		{"LowerCaseCode", `"EMAIL_BOUNCED"`, `"bounced"`, "/error_code"},
		{"NULInText", `"Email address bounced"`, `"\u0000"`, "/error_message"},
		{"NoTime", `"2026-11-02T10:00:00Z"`, `"0001-01-01T00:00:00Z"`, "/occurred_at"},
		{"NotATime", `"2026-11-02T10:00:00Z"`, `"yesterday"`, ""},
		{"FractionalAttempt", `"attempt":1`, `"attempt":1.5`, ""},
		{"Twice", `"attempt":1`, `"attempt":1,"attempt":2`, ""},
		{"CaseVariant", `"attempt"`, `"Attempt"`, ""},
	}
	for _, tt := range tests {
		t.Run("Refuses"+tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := read(strings.Replace(goodReceipt, tt.old, tt.replaced, 1))
			var e *errs.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, errs.Invalid, e.Code)
			if tt.pointer != "" {
				require.Equal(t, tt.pointer, e.Fields[0].Pointer)
			}
		})
	}
}

func FuzzDecodeReceipts(f *testing.F) {
	f.Add([]byte(`{"receipts":[` + goodReceipt + `]}`))
	f.Add([]byte(`{"receipts":[{"receipt_id":"\ud800"}],"x":"\"}"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := vendor.DecodeReceipts(body)
		if err != nil {
			require.Equal(t, errs.Invalid, errs.CodeOf(err))
			return
		}
		for _, one := range all {
			if err := cmp.Or(one.Err, one.Receipt.Validate()); err != nil {
				require.Equal(t, errs.Invalid, errs.CodeOf(err))
				continue
			}
			// What was taken can be told again and means the same.
			again, err := json.Marshal(one.Receipt)
			require.NoError(t, err)
			back, err := read(string(again))
			require.NoError(t, err)
			require.True(t, one.Receipt.OccurredAt.Equal(back.OccurredAt))
			back.OccurredAt = one.Receipt.OccurredAt
			require.Equal(t, one.Receipt, back)
		}
	})
}
