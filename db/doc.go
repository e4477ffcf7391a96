// Package db holds what both PostgreSQL stores share: the pool, transactions, the translation of
// driver errors, and migrations. It and its children are the only packages that import pgx.
//
// The stores live in db/master (customers and orders, the system of record) and db/business
// (segments, campaigns, messages and the customers_mv projection). Nothing joins across the two.
package db
