package audit

import (
	"fmt"
	"io"
	"strings"
)

// Outcome is the answer in one word.
type Outcome string

// The outcomes.
const (
	Holds    Outcome = "holds"
	Violated Outcome = "violated"
	// Unknown means that the system did not come to rest, or that evidence is missing.
	Unknown Outcome = "unknown"
)

// Exit codes of the command; a fault of the auditor itself is ExitError.
const (
	ExitHolds = iota
	ExitViolated
	ExitUnknown
	ExitError
)

// Verdict is what the auditor found.
type Verdict struct {
	Outcome Outcome `json:"verdict"`
	// Mode is "final" or "online".
	Mode string `json:"mode"`
	// Snapshots is how many the online mode compared.
	Snapshots    int            `json:"snapshots,omitempty"`
	Conservation []Conservation `json:"conservation"`
	Violations   []Violation    `json:"violations"`
	NotChecked   []NotChecked   `json:"not_checked"`
	// Stuck is what kept the system from rest.
	Stuck []string `json:"stuck,omitempty"`
}

// Violation is an invariant that does not hold.
type Violation struct {
	ID       string   `json:"id"`
	Promise  string   `json:"promise"`
	Count    int      `json:"count"`
	Examples []string `json:"examples"`
}

// NotChecked is an invariant, or a part of one, for which evidence is missing.
type NotChecked struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// Conservation is where the recipients of one campaign have gone.
type Conservation struct {
	CampaignID string `json:"campaign_id"`
	Status     string `json:"status"`
	Audience   int    `json:"audience"`
	Delivered  int    `json:"delivered"`
	Failed     int    `json:"failed"`
	Skipped    int    `json:"skipped"`
	Cancelled  int    `json:"cancelled"`
	InFlight   int    `json:"in_flight"`
	Pending    int    `json:"pending"`
	// ReceiptsStored is what the business database holds.
	ReceiptsStored int `json:"receipts_stored"`
	// Vendor is nil without the vendor's ledger.
	Vendor *VendorSide `json:"vendor,omitempty"`
}

// VendorSide is what the vendor's ledger says of a campaign.
type VendorSide struct {
	Deliveries        int `json:"deliveries"`
	MaxCopies         int `json:"max_copies"`
	ReceiptsConfirmed int `json:"receipts_confirmed"`
	ReceiptCopies     int `json:"receipt_copies"`
}

// ExitCode is that of the command.
func (v Verdict) ExitCode() int {
	switch v.Outcome {
	case Holds:
		return ExitHolds
	case Violated:
		return ExitViolated
	case Unknown:
		return ExitUnknown
	}
	return ExitError
}

// String is one campaign's line.
func (c Conservation) String() string {
	line := fmt.Sprintf("campaign %s %s: audience %d = delivered %d + failed %d + skipped %d + cancelled %d + in flight %d + pending %d",
		c.CampaignID, c.Status, c.Audience, c.Delivered, c.Failed, c.Skipped, c.Cancelled, c.InFlight, c.Pending)
	if c.Vendor == nil {
		return fmt.Sprintf("%s ; receipts stored %d", line, c.ReceiptsStored)
	}
	return fmt.Sprintf("%s ; vendor deliveries %d, max copies of one message %d ; receipts stored %d of %d confirmed (copies seen %d)",
		line, c.Vendor.Deliveries, c.Vendor.MaxCopies, c.ReceiptsStored, c.Vendor.ReceiptsConfirmed, c.Vendor.ReceiptCopies)
}

// WriteText prints the verdict for people: a line per campaign, a line per violated invariant, what
// was not checked, what is stuck, and the answer.
func (v Verdict) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, c := range v.Conservation {
		fmt.Fprintln(&b, c)
	}
	for _, x := range v.Violations {
		fmt.Fprintf(&b, "%s VIOLATED %d times: %s; e.g. %s\n", x.ID, x.Count, x.Promise, strings.Join(x.Examples, " | "))
	}
	for _, n := range v.NotChecked {
		fmt.Fprintf(&b, "%s not checked: %s\n", n.ID, n.Why)
	}
	for _, s := range v.Stuck {
		fmt.Fprintf(&b, "not at rest: %s\n", s)
	}
	if v.Mode == "online" {
		fmt.Fprintf(&b, "%d snapshots compared\n", v.Snapshots)
	}
	fmt.Fprintf(&b, "verdict: %s\n", v.Outcome)
	_, err := io.WriteString(w, b.String())
	return err
}
