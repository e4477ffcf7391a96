// Package customer owns customers and orders: what may be posted, in the reference's words; what an
// order does to a customer's totals; the service that queues both; and the one that shows and changes
// those that are stored.
//
// It neither stores nor publishes: the master store applies what it computes in one transaction, and
// the service publishes through a port. Money is decimal throughout (D50).
package customer
