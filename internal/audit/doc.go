// Package audit proves from the outside that the promises hold: it reads both databases, the vendor's
// ledger, the broker and Temporal, counts for itself and compares.
//
// It owns a copy of everything that it judges by: the status table, the sums, the names on the wire.
// It shares no code with the engine, because an auditor that does shares its mistakes, and it writes
// nothing anywhere, so that operators can run it in production.
package audit
