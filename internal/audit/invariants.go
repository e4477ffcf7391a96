package audit

import (
	"fmt"
	"slices"
)

// The ids of the invariants.
const (
	orderOnce       = "I3"
	customerTotals  = "I4"
	outboxComplete  = "I5"
	outboxDrained   = "I6"
	projectionExact = "I7"
	audienceExact   = "I8"
	oneRowEach      = "I9"
	oneDelivery     = "I10"
	noGhosts        = "I10'"
	logMatches      = "I11"
	receiptsStored  = "I12"
	statusFold      = "I13"
	statsAtRest     = "I14"
	statsAlways     = "I15"
	closedRight     = "I17"
	workflowRight   = "I17'"
	quarantineKnown = "I19"
	nothingLeaks    = "I23"
	settingsDurable = "I24"
	erasedWholly    = "I25"
)

// Invariant is one promise.
type Invariant struct {
	ID      string `json:"id"`
	Promise string `json:"promise"`
}

// Invariants lists what the auditor can prove, in order.
func Invariants() []Invariant {
	return []Invariant{
		{orderOnce, "an order that its client named is stored once"},
		{customerTotals, "a customer's totals are the opening values plus the completed orders, to the cent"},
		{outboxComplete, "every version of a customer has exactly one outbox row"},
		{outboxDrained, "every outbox row is published"},
		{projectionExact, "the projection equals the master database, row by row and version by version"},
		{audienceExact, "a campaign's log is its audience, numbered 1 to N without a gap"},
		{oneRowEach, "a campaign has one row per customer and per address"},
		{oneDelivery, "the vendor delivered a message, and a campaign's customer was written to, at most once"},
		{noGhosts, "the vendor delivered only what the log says, word for word, under one fingerprint per key"},
		{logMatches, "the log and the vendor's ledger agree on what was sent"},
		{receiptsStored, "every confirmed receipt is stored, and none comes from nowhere"},
		{statusFold, "a message's status is what its attempts and receipts add up to"},
		{statsAtRest, "a campaign's stats are the sums of its log, and its books balance"},
		{statsAlways, "stats equal the log in every snapshot while campaigns run"},
		{closedRight, "a closed campaign has nothing pending and a closing time"},
		{workflowRight, "every round has one workflow chain, which ended as its campaign did, in a short history"},
		{quarantineKnown, "every quarantined message and dead letter is explained"},
		{nothingLeaks, "no transaction is left open and no queue is without a consumer"},
		{settingsDurable, "databases and queues are set to survive a crash"},
		{erasedWholly, "nothing personal is left of an erased customer, and nobody is erased by half"},
	}
}

// UnknownIDs gives those of the ids that name no invariant.
func UnknownIDs(ids []string) []string {
	var out []string
	for _, id := range ids {
		if !slices.ContainsFunc(Invariants(), func(i Invariant) bool { return i.ID == id }) {
			out = append(out, id)
		}
	}
	return out
}

// maxExamples is how many cases of one violation are named: enough to see a pattern.
const maxExamples = 5

// findings collects violations. It keeps a few examples of each, however many there are.
type findings struct{ by map[string]*Violation }

func newFindings() *findings { return &findings{by: map[string]*Violation{}} }

// add notes one case. The text names things by id and holds no personal data.
func (f *findings) add(id, format string, args ...any) {
	v := f.by[id]
	if v == nil {
		v = &Violation{ID: id}
		f.by[id] = v
	}
	v.Count++
	if len(v.Examples) < maxExamples {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// list gives the violations in the order of the invariants, without those to be skipped.
func (f *findings) list(skip []string) []Violation {
	out := []Violation{}
	for _, i := range Invariants() {
		if v := f.by[i.ID]; v != nil && !slices.Contains(skip, i.ID) {
			v.Promise = i.Promise
			out = append(out, *v)
		}
	}
	return out
}
