package vendor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const one = `{"receipt_id":"0197e5b5-9999-7a64-8a3c-3a5ef2c43a11","communication_id":"0197e5b5-3333-5a64-8a3c-3a5ef2c43a11",` +
	`"campaign_id":"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11","vendor_ref":"vendor_1757851200000_9f8e7d6c","attempt":1,` +
	`"status":"DELIVERED","occurred_at":"2025-09-14T12:00:00.000Z"}`

func TestDecodeTogether(t *testing.T) {
	t.Parallel()

	t.Run("TakesWhatVendorsSend", func(t *testing.T) {
		t.Parallel()
		all, ok := decodeTogether([]byte(" {\n \"receipts\": [ " + one + ",\t{} ] }\n"))
		require.True(t, ok)
		require.Len(t, all, 2)
		require.Equal(t, Delivered, all[0].Receipt.Status)
	})

	for name, body := range map[string]string{
		"Null": `{"receipts":null}`, "NullReceipt": `{"receipts":[null]}`, "UnknownMember": `{"receipts":[{"x":1}]}`,
		"Twice": `{"receipts":[{"status":"","status":""}]}`, "TwiceAcross": `{"receipts":[{}],"receipts":[{}]}`,
		"CaseVariant": `{"receipts":[{"Status":""}]}`, "Nested": `{"receipts":[{"status":{}}]}`, "Deep": `{"receipts":[[{}]]}`,
		"EscapedName": `{"receipts":[{"st\u0061tus":""}]}`, "Beside": `{"version":1,"receipts":[{}]}`, "Array": `[{"receipts":[{}]}]`,
	} {
		t.Run("LeavesToTheOther"+name, func(t *testing.T) {
			t.Parallel()
			_, ok := decodeTogether([]byte(body))
			require.False(t, ok)
		})
	}
}

// FuzzDecodeTogether holds the short way against the long one.
func FuzzDecodeTogether(f *testing.F) {
	f.Add([]byte(`{"receipts":[` + one + `,` + one + `]}`))
	f.Add([]byte(`{"receipts":[{"status":"a","Status":"b"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		together, ok := decodeTogether(body)
		if !ok {
			return
		}
		each, err := decodeEach(body)
		require.NoError(t, err)
		require.Equal(t, each, together)
	})
}

func BenchmarkDecodeReceipts(b *testing.B) {
	const n = 100
	body := []byte(`{"receipts":[` + strings.Repeat(one+",", n-1) + one + `]}`)
	for name, decode := range map[string]func() ([]Decoded, error){
		"together": func() ([]Decoded, error) { return DecodeReceipts(body) },
		"each":     func() ([]Decoded, error) { return decodeEach(body) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if all, err := decode(); err != nil || len(all) != n {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/receipt")
		})
	}
}
