package campaign

// FanOut is how the first attempts of a campaign are dispatched.
type FanOut string

// The ways of fan-out. The ledger, the receipts and the controls are the same with each.
const (
	// Auto leaves the choice until the audience is known; see Resolve.
	Auto FanOut = "auto"
	// PerCustomer gives every customer an activity of its own, with its attempts visible in Temporal.
	PerCustomer FanOut = "per_customer"
	// Paged gives a page of customers one activity for their first attempts. Whoever needs another
	// attempt gets an activity of its own.
	Paged FanOut = "paged"
)

// DefaultPagedAbove is from how many recipients on the rate is worth more than a row a customer in
// the Web UI: above it nobody reads them, and one by one takes longer than half a minute.
const DefaultPagedAbove = 20_000

// Valid reports whether f is a way that a client may ask for.
func (f FanOut) Valid() bool {
	switch f {
	case Auto, PerCustomer, Paged:
		return true
	}
	return false
}

// Resolve says how a campaign that asked for f is dispatched when it has so many recipients. What a
// launch does and what a client is told beforehand both come from here.
func (f FanOut) Resolve(recipients, pagedAbove int) FanOut {
	switch {
	case f != Auto:
		return f
	case recipients > pagedAbove:
		return Paged
	}
	return PerCustomer
}
