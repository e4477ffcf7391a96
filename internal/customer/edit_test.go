package customer_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestParseEdit(t *testing.T) {
	t.Parallel()

	t.Run("TellsNullFromAbsent", func(t *testing.T) {
		t.Parallel()
		got, err := customer.ParseEdit([]byte(`{"phone":null,"name":" Asha "}`))
		require.NoError(t, err)
		require.Equal(t, customer.Edit{Name: new("Asha"), NoPhone: true}, got)
		got, err = customer.ParseEdit([]byte(`{"status":"INACTIVE"}`))
		require.NoError(t, err)
		require.Equal(t, customer.Edit{Status: new("INACTIVE")}, got)
	})

	t.Run("ListsEverythingAtOnceInTheWordsOfThePost", func(t *testing.T) {
		t.Parallel()
		_, err := customer.ParseEdit([]byte(`{"name":"","phone":"x","status":"x","email":"a@b.in","total_spend":1}`))
		e, ok := err.(*errs.Error) //nolint:errorlint // the service returns it as it is
		require.True(t, ok)
		var texts []string
		for _, f := range e.Fields {
			texts = append(texts, f.Message)
		}
		require.Equal(t, []string{
			`"email" is not allowed`, `"total_spend" is not allowed`, `"name" is not allowed to be empty`,
			`"phone" must be a valid phone number`, `"status" must be one of [ACTIVE, INACTIVE]`,
		}, texts)
	})

	for name, bad := range map[string]string{"Nothing": `{}`, "AList": `[]`, "Null": `null`, "Empty": ``, "Twice": `{"name":"a","name":"b"}`} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			_, err := customer.ParseEdit([]byte(bad))
			require.True(t, errs.Is(err, errs.Invalid))
		})
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	c := customer.Customer{
		ID: id, Version: 2, Name: "Asha", Email: "asha@shop.in", Phone: new("+91 1"), Status: customer.StatusActive,
		TotalSpend: decimal.RequireFromString("10.05"), TotalOrders: 1,
	}
	require.True(t, c.Erase())
	told := c.Event("erased")
	require.Equal(t, customer.AddressHash("ASHA@shop.in"), told.ErasedAddress)
	require.Equal(t, "10.05", told.TotalSpend.String())
	require.Equal(t, []any{"[erased]", customer.ErasedEmail(id), (*string)(nil), "INACTIVE"}, []any{told.Name, told.Email, told.Phone, told.Status})
	require.False(t, c.Erase(), "there is nothing left to erase")
	_, err := customer.ParseEmail("/email", c.Email)
	require.True(t, errs.Is(err, errs.Invalid), "nobody can post the tombstone")
	_, err = c.Edit(customer.Edit{Name: new("Asha")})
	require.True(t, errs.Is(err, errs.Conflict))
}

// An order only moves up, whichever way it is told to.
func TestMove(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to customer.OrderStatus
		delta    int
		conflict bool
	}{
		{customer.OrderPending, customer.OrderCompleted, 1, false},
		{customer.OrderPending, customer.OrderRefunded, 0, false},
		{customer.OrderCompleted, customer.OrderCompleted, 0, false},
		{customer.OrderCompleted, customer.OrderCancelled, -1, false},
		{customer.OrderCompleted, customer.OrderRefunded, -1, false},
		{customer.OrderCancelled, customer.OrderRefunded, 0, false},
		{customer.OrderRefunded, customer.OrderCompleted, 0, true},
		{customer.OrderCompleted, customer.OrderPending, 0, true},
	}
	for _, tt := range tests {
		t.Run(string(tt.from)+"To"+string(tt.to), func(t *testing.T) {
			t.Parallel()
			o := customer.Order{CustomerID: uuid.New(), Amount: decimal.New(1, 0), Status: tt.from}
			delta, err := o.Move(tt.to)
			require.Equal(t, tt.conflict, errs.Is(err, errs.Conflict))
			require.Equal(t, tt.delta, delta)
			if tt.conflict {
				require.Equal(t, tt.from, o.Status)
			} else {
				require.Equal(t, tt.to, o.Status)
			}
		})
	}
}
