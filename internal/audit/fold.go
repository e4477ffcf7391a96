package audit

// The auditor's own names of the statuses of messages and campaigns.
const (
	pending   = "PENDING"
	skipped   = "SKIPPED"
	cancelled = "CANCELLED"
	sent      = "SENT"
	failed    = "FAILED"
	delivered = "DELIVERED"
	completed = "COMPLETED"
)

// The outcomes of attempts. A message that expired was given up: that is no answer of the vendor.
const (
	accepted  = "ACCEPTED"
	retryable = "RETRYABLE"
	permanent = "PERMANENT"
	expired   = "EXPIRED"
)

// attempt is one row of send_attempts.
type attempt struct {
	number  int
	outcome string
}

// receipt is one row of delivery_receipts.
type receipt struct {
	id, status string
	attempt    int
}

// facts are what is known of one message beside its status.
type facts struct {
	attempts      []attempt
	receipts      []receipt
	maxAttempts   int
	hasSkipReason bool
	// rearmed says that the campaign had a second round, in which failed messages were pending again.
	rearmed bool
	// wasCancelled says that the campaign is cancelled, or was in an earlier round.
	wasCancelled bool
}

// fold gives the statuses that the facts allow, most often one. It looks at sets: neither the order
// of attempts and receipts nor how often one stands there matters.
//
// The vendor's word comes first: a delivery beats a failure, both beat the acceptance. Only a message
// that the vendor never accepted can have ended by our decision.
func fold(f facts) []string {
	switch {
	case f.hasReceipt(delivered):
		return []string{delivered}
	case f.hasReceipt(failed):
		return []string{failed}
	case f.hasOutcome(accepted):
		return []string{sent}
	case f.hasSkipReason:
		return []string{skipped}
	}
	allowed := []string{pending}
	if f.refused() {
		allowed = []string{failed}
	}
	if f.rearmed && f.hasOutcome(expired) {
		// What expired in an earlier round is pending again. Its row of send_attempts stays, and stands in
		// the place of the vendor's next answer.
		allowed = []string{failed, pending, sent}
	}
	if f.wasCancelled {
		// A refusal that arrives after the cancel changes nothing any more.
		allowed = append(allowed, cancelled)
	}
	return allowed
}

// refused reports whether the vendor, or the send deadline, has ended it.
func (f facts) refused() bool {
	for _, a := range f.attempts {
		switch a.outcome {
		case permanent, expired:
			return true
		case retryable:
			if a.number >= f.maxAttempts {
				return true
			}
		}
	}
	return false
}

func (f facts) hasReceipt(status string) bool {
	for _, r := range f.receipts {
		if r.status == status {
			return true
		}
	}
	return false
}

func (f facts) hasOutcome(outcome string) bool {
	for _, a := range f.attempts {
		if a.outcome == outcome {
			return true
		}
	}
	return false
}

// answers gives how many answers of the vendor are known: the greatest number that an answer or a
// receipt carries. Giving up is not an answer.
func (f facts) answers() int {
	n := 0
	for _, a := range f.attempts {
		if a.outcome != expired {
			n = max(n, a.number)
		}
	}
	for _, r := range f.receipts {
		n = max(n, r.attempt)
	}
	return n
}

// handedOver reports whether the vendor is known to have seen it.
func (f facts) handedOver() bool {
	if len(f.receipts) > 0 {
		return true
	}
	for _, a := range f.attempts {
		if a.outcome != expired {
			return true
		}
	}
	return false
}
