package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

const patchCustomer = `{"name":"Asha Rao","phone":null}`

func aCustomer() customer.Record {
	return customer.Record{
		Customer: customer.Customer{
			ID: customerID, Version: 4, Name: "Asha", Email: "asha@shop.in", Phone: new("+91 98765 43210"), Status: "ACTIVE",
			TotalSpend: decimal.RequireFromString("1234.50"), TotalVisits: 7, TotalOrders: 3, LastOrderAt: new(now),
		},
		CreatedAt: now, UpdatedAt: now,
	}
}

func anErased() customer.Record {
	c := aCustomer()
	c.Erase()
	c.Version = 5
	return c
}

func anOrder() customer.OrderRecord {
	return customer.OrderRecord{
		Order: customer.Order{
			ID: orderID, CustomerID: customerID, Amount: decimal.RequireFromString("499.90"), Status: customer.OrderCompleted,
			ExternalID: new("shop-1001"), Source: "webshop", OrderedAt: now,
		},
		CreatedAt: now, UpdatedAt: now,
	}
}

// alwaysRecords gives fakes whose every method succeeds.
func alwaysRecords(b *bundle) {
	b.records.list = func(context.Context, customer.Filter) (cursor.Page[customer.Record], error) {
		return cursor.Page[customer.Record]{
			Items: []customer.Record{aCustomer(), anErased()}, Next: cursor.Position{Key: "asha", ID: customerID},
		}, nil
	}
	b.records.get = func(context.Context, uuid.UUID) (customer.Detail, error) {
		return customer.Detail{Record: aCustomer(), Orders: []customer.OrderRecord{anOrder()}}, nil
	}
	b.records.edit = func(context.Context, uuid.UUID, customer.Match, []byte) (customer.Record, error) {
		return aCustomer(), nil
	}
	b.records.change = func(_ context.Context, verb string, _ uuid.UUID) (customer.Record, error) {
		if verb == "erase" {
			return anErased(), nil
		}
		return aCustomer(), nil
	}
	b.records.orders = func(context.Context, customer.OrderFilter) (cursor.Page[customer.OrderRecord], error) {
		return cursor.Page[customer.OrderRecord]{Items: []customer.OrderRecord{anOrder()}}, nil
	}
	b.records.order = func(context.Context, uuid.UUID) (customer.OrderRecord, error) { return anOrder(), nil }
	b.records.move = func(context.Context, uuid.UUID, customer.OrderStatus) (customer.OrderRecord, error) {
		return anOrder(), nil
	}
}

func TestListCustomers(t *testing.T) {
	t.Parallel()

	t.Run("HandsTheCursorOnWithItsFilterOnly", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		alwaysRecords(b)
		first := b.call(t, http.MethodGet, "/api/customers?q=%20Ash&status=ACTIVE&sort=name&limit=1000", "")
		require.Equal(t, http.StatusOK, first.Code)
		var body struct {
			NextCursor string `json:"next_cursor"`
		}
		require.NoError(t, json.Unmarshal(first.Body.Bytes(), &body))
		require.NotEmpty(t, body.NextCursor)
		next := "&cursor=" + url.QueryEscape(body.NextCursor)
		var got customer.Filter
		b.records.list = func(_ context.Context, f customer.Filter) (cursor.Page[customer.Record], error) {
			got = f
			return cursor.Page[customer.Record]{}, nil
		}
		w := b.call(t, http.MethodGet, "/api/customers?q=%20Ash&status=ACTIVE&sort=name"+next, "")
		require.Equal(t, http.StatusOK, w.Code)
		require.NotContains(t, w.Body.String(), "next_cursor")
		require.Equal(t, customer.Filter{
			Status: "ACTIVE", Prefix: " Ash", Sort: customer.SortName, Limit: 10, After: cursor.Position{Key: "asha", ID: customerID},
		}, got)
		for _, other := range []string{"?q=%20Ash&status=ACTIVE&sort=email", "?q=Ash&status=ACTIVE&sort=name", "?sort=name"} {
			w := b.call(t, http.MethodGet, "/api/customers"+other+next, "")
			require.Equal(t, http.StatusBadRequest, w.Code, other)
			require.Contains(t, w.Body.String(), "cursor must be")
		}
	})

	for name, query := range map[string]string{
		"R19UnknownSort": "sort=total_spend", "R19SortInjection": "sort=email%3B--", "C13StatusInLowerCase": "status=active",
		"R19Limit": "limit=-1", "R19Cursor": "cursor=abc", "PrefixTooLong": "q=" + strings.Repeat("x", 256),
		"PrefixWithNUL": "q=%00", "OrdersOfNobody": "",
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			target := "/api/customers?" + query
			if query == "" {
				target = "/api/orders?customer_id=1%20OR%201"
			}
			require.Equal(t, http.StatusBadRequest, setup(t).call(t, http.MethodGet, target, "").Code)
		})
	}
}

func TestEditCustomer(t *testing.T) {
	t.Parallel()
	path := "/api/customers/" + customerID.String()

	t.Run("HandsOnTheBytesAndTheVersion", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for header, want := range map[string]customer.Match{
			`"4"`: {Versions: []int64{4}}, `"4",   "7"`: {Versions: []int64{4, 7}}, "*": {Any: true},
			// None of these is a strong tag of ours, so none of them matches any version.
			`W/"4"`: {}, `"04"`: {}, `"x"`: {}, `"4,x"`: {}, `"99999999999999999999"`: {},
		} {
			b.records.edit = func(_ context.Context, id uuid.UUID, m customer.Match, raw []byte) (customer.Record, error) {
				require.Equal(t, customerID, id)
				require.Equal(t, want, m, header)
				require.Len(t, raw, len(patchCustomer))
				return aCustomer(), nil
			}
			w := b.call(t, http.MethodPatch, path, patchCustomer, "If-Match", header)
			require.Equal(t, http.StatusOK, w.Code, header)
			require.Equal(t, `"4"`, w.Header().Get("ETag"))
		}
		alwaysRecords(b)
		golden(t, "customers_edit", b.call(t, http.MethodPatch, path, patchCustomer, "If-Match", "*"))
	})

	t.Run("WithoutIfMatchIsRefused", func(t *testing.T) {
		t.Parallel()
		golden(t, "fail_customer_precondition_required", setup(t).call(t, http.MethodPatch, path, patchCustomer))
	})

	t.Run("AnIfMatchThatIsNoETagIsToldSo", func(t *testing.T) {
		t.Parallel()
		// "at version 4: read it again" would not help somebody who has sent 4.
		for _, header := range []string{"4", `""4""`, `"4`, `"4", 7`, "W/4", "*, *"} {
			w := setup(t).call(t, http.MethodPatch, path, patchCustomer, "If-Match", header)
			require.Equal(t, http.StatusBadRequest, w.Code, header)
			require.Contains(t, w.Body.String(), `with its quotes, as \"2\"`)
		}
	})

	t.Run("C15OfAnOldVersionIsRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.records.edit = func(context.Context, uuid.UUID, customer.Match, []byte) (customer.Record, error) {
			return customer.Record{}, errs.Errorf(errs.Conflict, "the customer is at version 5: %w", customer.ErrStale)
		}
		golden(t, "fail_customer_precondition", b.call(t, http.MethodPatch, path, patchCustomer, "If-Match", `"4"`))
	})

	t.Run("OfAnErasedOneIsAConflict", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.records.edit = func(context.Context, uuid.UUID, customer.Match, []byte) (customer.Record, error) {
			return customer.Record{}, errs.Errorf(errs.Conflict, "the customer was erased and cannot be changed")
		}
		require.Equal(t, http.StatusConflict, b.call(t, http.MethodPatch, path, patchCustomer, "If-Match", "*").Code)
	})

	tests := []struct {
		name, body string
		want       int
	}{
		{"EmailIsNotItsToChange", `{"email":"other@shop.in"}`, 400},
		{"R5OtherCase", `{"Name":"x"}`, 400},
		{"R5Twice", `{"name":"x","name":"y"}`, 400},
		{"WrongType", `{"name":1}`, 400},
		{"Nothing", `{}`, 422},
		{"C3Invisible", "{\"name\":\"\u200b \"}", 422},
		{"C3Direction", `{"name":"a\u202eb"}`, 422},
		{"C9Letters", `{"phone":"call me"}`, 422},
		{"C9TooLong", `{"phone":"+91 98765 43210 98765"}`, 422},
		{"C9PlusOnly", `{"phone":"+"}`, 422},
		{"C13Unknown", `{"status":"BLOCKED"}`, 422},
		{"C13LowerCase", `{"status":"active"}`, 422},
		{"C13Null", `{"status":null}`, 422},
		{"NullName", `{"name":null}`, 422},
		{"C5NameTooLong", `{"name":"` + strings.Repeat("x", 256) + `"}`, 422},
	}
	for _, tt := range tests {
		t.Run("Refuses"+tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.records.edit = customer.NewRecords(nil, nil).Edit // what is refused never comes to a store
			w := b.call(t, http.MethodPatch, path, tt.body, "If-Match", "*")
			require.Equal(t, tt.want, w.Code, "%s", w.Body)
		})
	}
}

func TestRecordsThatAreNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, target := range []string{"/api/customers/nope", "/api/orders/nope"} {
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, target, "").Code)
	}
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodDelete, "/api/customers/1;drop", "").Code)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/api/customers/nope/deactivate", "").Code)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPatch, "/api/customers/nope", patchCustomer, "If-Match", "*").Code)
}

func TestMoveOrder(t *testing.T) {
	t.Parallel()
	path := "/api/orders/" + orderID.String()

	t.Run("BackIsAConflict", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.records.move = func(context.Context, uuid.UUID, customer.OrderStatus) (customer.OrderRecord, error) {
			o := anOrder()
			o.Status = customer.OrderRefunded
			_, err := o.Move(customer.OrderCompleted)
			return o, err
		}
		golden(t, "fail_order_back", b.call(t, http.MethodPatch, path, `{"order_status":"COMPLETED"}`))
	})

	for name, body := range map[string]string{"Nothing": `{}`, "Null": `{"order_status":null}`, "LowerCase": `{"order_status":"refunded"}`} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.records.move = customer.NewRecords(nil, nil).MoveOrder
			require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodPatch, path, body).Code)
		})
	}
}
