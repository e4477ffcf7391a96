package projection

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

type fakeStore func(versions []event.CustomerMV) error

func (s fakeStore) ApplyCustomerVersions(_ context.Context, versions []event.CustomerMV) error {
	return s(versions)
}

func wire(data string) []byte {
	return []byte(`{"eventType":"customer_mv_upsert","schema_version":1,"timestamp":"2026-03-01T12:00:00Z","data":` + data + `}`)
}

const good = `{"customer_id":"0190a0b0-0000-7000-8000-000000000001","version":3,"name":"A","email":"a@x.com","phone":null,
	"total_spend":"12.50","total_visits":2,"total_orders":1,"last_order_at":"2026-03-01T12:00:00Z","status":"ACTIVE","operation":"x","more":1}`

func TestParse(t *testing.T) {
	t.Parallel()
	v, err := Parse(wire(good))
	require.NoError(t, err)
	require.Equal(t, int64(3), v.Version)
	require.Equal(t, "12.5", v.TotalSpend.String())
	for name, change := range map[string][2]string{
		"NoVersion": {`"version":3`, `"version":0`}, "NoName": {`"A"`, `""`}, "NUL": {`"A"`, `"\u0000"`},
		"ShortHash": {`"more":1`, `"erased_address_sha256":"AAAA"`}, "HashThatIsNone": {`"more":1`, `"erased_address_sha256":"%"`},
		"EmptyHash": {`"more":1`, `"erased_address_sha256":""`},
		"LongEmail": {`a@x.com`, strings.Repeat("x", 256)}, "LongStatus": {`ACTIVE`, strings.Repeat("x", 21)},
		"EmptyPhone": {`null`, `""`}, "HugeSpend": {`12.50`, `1e999999999`}, "TinySpend": {`12.50`, `1e-999999999`},
		"SpendOverflow": {`12.50`, `10000000000`}, "VisitsOverflow": {`"total_visits":2`, `"total_visits":2147483648`},
		"NoID": {`"0190a0b0-0000-7000-8000-000000000001"`, `null`}, "BadID": {`0190a0b0`, `zzz`}, "BadDate": {`2026-03-01T12:00:00Z","status`, `soon","status`},
	} {
		_, err := Parse(wire(strings.ReplaceAll(good, change[0], change[1])))
		require.True(t, errs.Is(err, errs.Invalid), "%s: %v", name, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(wire(good))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := Parse(raw)
		if err != nil {
			require.True(t, errs.Is(err, errs.Invalid))
			return
		}
		require.NotEqual(t, uuid.Nil, v.CustomerID)
	})
}

func TestHandleGivesOneResultADelivery(t *testing.T) {
	t.Parallel()
	away := errs.Errorf(errs.Unavailable, "away")
	ds := []event.Delivery{{Body: wire(good)}, {Body: []byte("x")}, {Body: wire(good)}}
	results := NewHandler(fakeStore(func(versions []event.CustomerMV) error {
		require.Len(t, versions, 2)
		return nil
	})).Handle(t.Context(), ds)
	require.NoError(t, results[0])
	require.True(t, errs.Is(results[1], errs.Invalid))
	require.NoError(t, results[2])
	results = NewHandler(fakeStore(func([]event.CustomerMV) error { return away })).Handle(t.Context(), ds)
	require.True(t, errs.Is(results[0], errs.Unavailable))
	require.True(t, errs.Is(results[1], errs.Invalid))
	require.True(t, errs.Is(results[2], errs.Unavailable))
}
