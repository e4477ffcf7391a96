// Package mock is a message vendor that delivers nothing and remembers everything: the vendor of
// development, of tests and of `xencrm demo`, run as a server of its own.
//
// It owns seeded outcomes (Outcome, Predict), a crash-safe ledger that never holds two deliveries for
// one idempotency key, signed receipts at least once, and faults that can be switched while it runs.
// It keeps the contract of package vendor under every fault: a fault loses, delays or garbles answers,
// it never changes what the outcome function says, so any run can be predicted row by row.
//
//	POST /v1/messages ──► half the latency ──► ledger (group commit) ──► other half ──► answer
//	                                             │ requests, answers, deliveries, receipts
//	                                             ▼
//	                                  receipt queue ──► signed batches ──► POST ReceiptURL
//	                                             ▲            │ 2xx
//	                                             └─ confirmed ┘   anything else: again, for ever
//
// It deliberately does not keep recipients or message texts: the ledger holds ids and hashes.
package mock
