package audit

import "time"

// Options say what evidence there is and how to judge it. Only the two databases must be given.
type Options struct {
	MasterURL, BusinessURL string
	// VendorLedger is the path of the mock vendor's SQLite file.
	VendorLedger string
	// RabbitManagementURL holds user and password; RabbitVhost is "/" when empty.
	RabbitManagementURL, RabbitVhost string
	TemporalAddress                  string
	TemporalNamespace                string
	// AllowQuarantined is how many quarantined messages and dead letters are explained.
	AllowQuarantined int
	// RequireAll turns an invariant that could not be checked into an unknown verdict.
	RequireAll bool
	// Skip are ids of invariants that are not judged.
	Skip []string
	// Wait bounds the wait for rest, Poll is the time between two looks.
	Wait, Poll time.Duration
}

// ApplyDefaults fills in what is not set.
func (o *Options) ApplyDefaults() {
	if o.RabbitVhost == "" {
		o.RabbitVhost = "/"
	}
	if o.TemporalNamespace == "" {
		o.TemporalNamespace = "default"
	}
	if o.Wait <= 0 {
		o.Wait = time.Minute
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
}
