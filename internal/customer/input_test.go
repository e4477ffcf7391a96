package customer

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// faults gives "pointer message" for each fault of an error.
func faults(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*errs.Error](err)
	require.True(t, ok)
	require.Equal(t, errs.Invalid, e.Code)
	var out []string
	for _, f := range e.Fields {
		out = append(out, f.Pointer+" "+f.Message)
	}
	return out
}

// objectWith writes a JSON object with the required members and one more, or another value for one.
func objectWith(key, value string, required ...string) []byte {
	var b strings.Builder
	b.WriteString("{")
	for i := 0; i < len(required); i += 2 {
		if required[i] != key {
			b.WriteString(`"` + required[i] + `":` + required[i+1] + ",")
		}
	}
	b.WriteString(`"` + key + `":` + value + "}")
	return []byte(b.String())
}

func customerWith(key, value string) []byte {
	return objectWith(key, value, "name", `"Asha"`, "email", `"asha@shop.in"`)
}

func orderWith(key, value string) []byte {
	return objectWith(key, value, "customer_email", `"asha@shop.in"`, "order_amount", "5")
}

func TestCustomerFaultsHaveTheReferencesTexts(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	tests := []struct{ key, value, want string }{
		{"name", `null`, `/name "name" must be a string`},
		{"name", `5`, `/name "name" must be a string`},
		{"name", `{}`, `/name "name" must be a string`},
		{"name", `""`, `/name "name" is not allowed to be empty`},
		{"name", `" \u200b\ufeff "`, `/name "name" is not allowed to be empty`},
		{"name", long(256), `/name "name" length must be less than or equal to 255 characters long`},
		{"name", `"a\u0000b"`, `/name "name" must not contain control characters`},
		{"name", `"a\nBcc: b"`, `/name "name" must not contain control characters`},
		{"name", `"a\u202eb"`, `/name "name" must not contain control characters`},
		{"email", `null`, `/email "email" must be a string`},
		{"email", `"  "`, `/email "email" is not allowed to be empty`},
		{"email", `"a@b"`, `/email "email" must be a valid email`},
		{"phone", `null`, `/phone "phone" must be a string`},
		{"phone", `""`, `/phone "phone" is not allowed to be empty`},
		{"phone", `"123456789012345678901"`, `/phone "phone" length must be less than or equal to 20 characters long`},
		{"phone", `"+"`, `/phone "phone" must be a valid phone number`},
		{"phone", `"0800 CALL"`, `/phone "phone" must be a valid phone number`},
		{"total_spend", `null`, `/total_spend "total_spend" must be a number`},
		{"total_spend", `"abc"`, `/total_spend "total_spend" must be a number`},
		{"total_spend", `true`, `/total_spend "total_spend" must be a number`},
		{"total_spend", `1e9999999`, `/total_spend "total_spend" must be a number`},
		{"total_spend", `"Infinity"`, `/total_spend "total_spend" must be a number`},
		{"total_spend", `-0.01`, `/total_spend "total_spend" must be greater than or equal to 0`},
		{"total_spend", `10000000000`, `/total_spend "total_spend" must be less than or equal to 9999999999.99`},
		{"total_spend", `9999999999.995`, `/total_spend "total_spend" must be less than or equal to 9999999999.99`},
		{"total_visits", `1.5`, `/total_visits "total_visits" must be an integer`},
		{"total_visits", `-1`, `/total_visits "total_visits" must be greater than or equal to 0`},
		{"total_visits", `2147483648`, `/total_visits "total_visits" must be less than or equal to 2147483647`},
		{"last_order_at", `null`, `/last_order_at "last_order_at" must be a valid date`},
		{"last_order_at", `"yesterday"`, `/last_order_at "last_order_at" must be a valid date`},
		{"last_order_at", `1e300`, `/last_order_at "last_order_at" must be a valid date`},
		{"status", `"active"`, `/status "status" must be one of [ACTIVE, INACTIVE]`},
		{"status", `null`, `/status "status" must be one of [ACTIVE, INACTIVE]`},
		{"Email", `"asha@shop.in"`, `/Email "Email" is not allowed`},
		{"~/", `1`, `/~0~1 "~/" is not allowed`},
	}
	for _, tt := range tests {
		_, err := ParseInput(customerWith(tt.key, tt.value), Strict)
		require.Equal(t, []string{tt.want}, faults(t, err), "%s=%s", tt.key, tt.value)
	}
	_, err := ParseInput([]byte(`{"phone":5,"status":"x"}`), Strict)
	require.Equal(t, []string{
		`/name "name" is required`, `/email "email" is required`, `/phone "phone" must be a string`,
		`/status "status" must be one of [ACTIVE, INACTIVE]`,
	}, faults(t, err), "all faults at once")
}

func TestBodiesThatAreNoObjectAreRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "  ", "null", "[]", `"x"`, "5", "{", `{"name":"a"} {}`, `{"name":"a"}x`, "\ufeff{}", "{\"name\":\"\xff\"}",
		`{"name":"\ud800"}`, `{"name":"\udc00\ud800"}`, strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 100_000),
		`{"name":"Asha","email":"asha@shop.in","x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		`{"name":"Asha","name":"Asha","email":"asha@shop.in"}`, `{` + strings.Repeat(`"a":1,`, 100_000) + `"b":1}`,
		`{"name":"Asha","email":"asha@shop.in","junk":"` + strings.Repeat("x", maxRaw) + `"}`,
	} {
		_, err := ParseInput([]byte(raw), Strict)
		require.Len(t, faults(t, err), 1, "%.40q: %v", raw, err)
	}
}

func TestEmails(t *testing.T) {
	t.Parallel()
	local64, label63 := strings.Repeat("l", 64), strings.Repeat("d", 63)
	domain := label63 + "." + label63 + "." + label63
	valid := map[string]string{
		"asha@shop.in": "asha@shop.in", "\u0020A.B+c@Shop.IN\u200b\u0020": "a.b+c@shop.in", "\u00a0a@x.com\u2003": "a@x.com",
		"o'brien@x-y.co.uk": "o'brien@x-y.co.uk", "a@example.com": "a@example.com", "a@xn--bcher-kva.com": "a@xn--bcher-kva.com",
		local64 + "@x.com": local64 + "@x.com",
		strings.Repeat("l", 254-len("@.com")-len(domain)) + "@" + domain + ".com": strings.Repeat("l", 254-len("@.com")-len(domain)) + "@" + domain + ".com",
	}
	for in, want := range valid {
		raw, err := json.Marshal(map[string]string{"name": "A", "email": in})
		require.NoError(t, err)
		got, err := ParseInput(raw, Strict)
		require.NoError(t, err, "%q", in)
		require.Equal(t, want, got.Email)
	}
	for _, in := range []string{
		"a", "@x.com", "a@", "a@b", "a@@x.com", "a@x@y.com", "a@x.com.", "a@.x.com", "a@x..com", ".a@x.com", "a.@x.com",
		"a..b@x.com", "a@x.com\nBcc: b@y.com", "a b@x.com", "a@x .com", "a\u200bb@x.com", "a\u202eb@x.com", "a\x00@x.com",
		"ä@x.com", "a@ü.com", "a@x.c", "a@x.1", "a@1.2.3.4", "a@[1.2.3.4]", `"a"@x.com`, "a@-x.com", "a@x-.com", "<a@x.com>",
		"a@x.test", "a@x.local", "a@x.example", "a@x.invalid", "a@x.localhost", "l" + local64 + "@x.com", "a@d" + label63 + ".com",
		strings.Repeat("l", 255-len("@.com")-len(domain)) + "@" + domain + ".com", "a,b@x.com", "a;b@x.com", "a@x.com,b@x.com",
	} {
		raw, err := json.Marshal(map[string]string{"name": "A", "email": in})
		require.NoError(t, err)
		_, err = ParseInput(raw, Strict)
		require.Contains(t, faults(t, err), `/email "email" must be a valid email`, "%q", in)
	}
}

func TestD40UnnamedFieldsStayUnnamed(t *testing.T) {
	t.Parallel()
	got, err := ParseInput([]byte(`{"name":" Asha ","email":"Asha@Shop.in"}`), Strict)
	require.NoError(t, err)
	require.Equal(t, Input{Name: "Asha", Email: "asha@shop.in"}, got)
}

func TestCustomerValuesAreNormalised(t *testing.T) {
	t.Parallel()
	got, err := ParseInput([]byte(`{"name":"{{email}} <script> $&","email":"a@x.com","phone":" +91 (98) 7 ",
		"total_spend":"1234.565","total_visits":"3","last_order_at":"2026-03-01T17:30:00+05:30","status":"INACTIVE"}`), Strict)
	require.NoError(t, err)
	require.Equal(t, "{{email}} <script> $&", got.Name)
	require.Equal(t, "+91 (98) 7", *got.Phone)
	require.Equal(t, "1234.57", got.TotalSpend.String())
	require.Equal(t, int32(3), *got.TotalVisits)
	require.Equal(t, noon(), *got.LastOrderAt)
	require.Equal(t, StatusInactive, *got.Status)
}

func TestMoneyIsRoundedHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0.005": "0.01", "1.005": "1.01", "1.004": "1", `" 7 "`: "7", `"1e2"`: "100", "1E-2": "0.01", "99999999.99": "99999999.99",
		"99999999.994": "99999999.99", `"5."`: "5",
	} {
		got, err := ParseOrderInput(orderWith("order_amount", in), Strict, noon())
		require.NoError(t, err, in)
		require.Equal(t, want, got.Amount.String(), in)
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"2026-03-01"`: "2026-03-01T00:00:00Z", `1772366400000`: "2026-03-01T12:00:00Z", `"1772366400000"`: "2026-03-01T12:00:00Z",
		`"2026-03-01T12:00:00.5Z"`: "2026-03-01T12:00:00.5Z", `"2026-03-01T12:00"`: "2026-03-01T12:00:00Z",
		`"Sun, 01 Mar 2026 12:00:00 GMT"`: "2026-03-01T12:00:00Z", `"March 1, 2026"`: "2026-03-01T00:00:00Z", `-1`: "1969-12-31T23:59:59.999Z",
		`"2999-01-01T00:00:00Z"`: "2999-01-01T00:00:00Z",
	} {
		got, err := ParseInput(customerWith("last_order_at", in), Strict)
		require.NoError(t, err, in)
		require.Equal(t, want, got.LastOrderAt.Format(time.RFC3339Nano), in)
	}
}

func TestOrderFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ key, value, want string }{
		{"customer_email", `"x"`, `/customer_email "customer_email" must be a valid email`},
		{"order_amount", `0`, `/order_amount "order_amount" must be greater than or equal to 0.01`},
		{"order_amount", `-5`, `/order_amount "order_amount" must be greater than or equal to 0.01`},
		{"order_amount", `0.004`, `/order_amount "order_amount" must be greater than or equal to 0.01`},
		{"order_amount", `1e8`, `/order_amount "order_amount" must be less than or equal to 99999999.99`},
		{"order_amount", `"abc"`, `/order_amount "order_amount" must be a number`},
		{"order_amount", `null`, `/order_amount "order_amount" must be a number`},
		{"order_status", `"completed"`, `/order_status "order_status" must be one of [PENDING, COMPLETED, CANCELLED, REFUNDED]`},
		{"external_id", `""`, `/external_id "external_id" is not allowed to be empty`},
		{"external_id", `"` + strings.Repeat("x", 101) + `"`, `/external_id "external_id" length must be less than or equal to 100 characters long`},
		{"order_source", `"` + strings.Repeat("x", 51) + `"`, `/order_source "order_source" length must be less than or equal to 50 characters long`},
		{"ordered_at", `"2026-03-01"`, `/ordered_at "ordered_at" must be a valid date with a time zone (RFC 3339)`},
		{"ordered_at", `"2026-03-02T12:00:01Z"`, `/ordered_at "ordered_at" must not be more than 24 hours in the future`},
		{"items", `[]`, `/items "items" is not allowed`},
	}
	for _, tt := range tests {
		_, err := ParseOrderInput(orderWith(tt.key, tt.value), Strict, noon())
		require.Equal(t, []string{tt.want}, faults(t, err), "%s=%s", tt.key, tt.value)
	}
	got, err := ParseOrderInput([]byte(`{"customer_email":"A@x.com","order_amount":1}`), Strict, noon())
	require.NoError(t, err)
	require.Equal(t, OrderCompleted, got.Status)
}

// What we accept we queue, and what we queue the consumer must accept and read alike (D45).
func FuzzD45WhatIsAcceptedIsReadAlikeFromTheQueue(f *testing.F) {
	f.Add([]byte(`{"name":"Asha","email":"a@x.com","phone":"+91 98","total_spend":1.005,"total_visits":3,"last_order_at":0,"status":"ACTIVE"}`))
	f.Add([]byte(`{"name":"\u00e9","email":" A@X.com ","total_spend":"1e2","last_order_at":"2026-03-01"}`))
	f.Add([]byte(`{"customer_email":"a@x.com","order_amount":"5.005","external_id":"x","order_source":"y","ordered_at":"2026-03-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if in, err := ParseInput(raw, Strict); err == nil {
			wire, err := json.Marshal(in.event())
			require.NoError(t, err)
			again, err := ParseInput(wire, Lenient)
			require.NoError(t, err)
			wireAgain, err := json.Marshal(again.event())
			require.NoError(t, err)
			require.Equal(t, string(wire), string(wireAgain))
		}
		if in, err := ParseOrderInput(raw, Strict, noon()); err == nil {
			wire, err := json.Marshal(in.event())
			require.NoError(t, err)
			again, err := ParseOrderInput(wire, Lenient, noon())
			require.NoError(t, err)
			wireAgain, err := json.Marshal(again.event())
			require.NoError(t, err)
			require.Equal(t, string(wire), string(wireAgain))
		}
	})
}

func TestMessagesMaySayMoreThanWeKnow(t *testing.T) {
	t.Parallel()
	got, err := ParseInput([]byte(`{"name":"A","email":"a@x.com","phone":null,"loyalty":{"tier":1}}`), Lenient)
	require.NoError(t, err)
	require.Nil(t, got.Phone)
}
