package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

func explainTools() []tool {
	return []tool{
		define(tool{
			name: "explain_recipient", title: "Why did this customer (not) get it", needs: auth.ReadCampaigns, effect: reads,
			description: "Says what became of one customer's message in a campaign, and why: the vendor's answers, the receipts, the reason it " +
				"was skipped. Name the customer by id, by e-mail address, or by the message's id.",
		}, explainRecipient),
		define(tool{
			name: "explain_stall", title: "What is this campaign waiting for", needs: auth.ReadCampaigns, effect: reads,
			description: "Says what a campaign is waiting for, when that ends, and what can be done about it.",
		}, explainStall),
		define(tool{
			name: "list_failures", title: "Failures of a campaign", needs: auth.ReadCampaigns, effect: reads,
			description: "Counts a campaign's failed messages by the vendor's code, and lists some of them; of one code if it is given.",
		}, listFailures),
	}
}

type recipientIn struct {
	CampaignID string `json:"campaign_id" jsonschema_description:"Id or exact name of the campaign."                                length:"255"`
	Recipient  string `json:"recipient"   jsonschema_description:"The customer's id or e-mail address, or the id of the message." length:"254"`
}

type recipientOut struct {
	Why             string        `json:"why"`
	CommunicationID string        `json:"communication_id" jsonschema_description:"Id of the message."`
	CustomerID      string        `json:"customer_id"`
	Name            string        `json:"name"`
	Email           string        `json:"email"`
	Status          string        `json:"status" jsonschema_description:"PENDING, SENT, DELIVERED, FAILED, SKIPPED or CANCELLED."`
	SkipReason      string        `json:"skip_reason,omitempty"`
	FailureCode     string        `json:"failure_code,omitempty"`
	Attempts        int           `json:"attempts" jsonschema_description:"Answers of the vendor."`
	MaxAttempts     int           `json:"max_attempts"`
	Message         string        `json:"message" jsonschema_description:"What the message says; withheld from those who may not read customers."`
	Tries           []tryView     `json:"tries"`
	Receipts        []receiptView `json:"receipts"`
}

type tryView struct {
	Number  int    `json:"number"`
	Outcome string `json:"outcome"`
	Code    string `json:"code,omitempty"`
	At      string `json:"at"`
}

type receiptView struct {
	Delivered bool   `json:"delivered"`
	Code      string `json:"code,omitempty" jsonschema_description:"Why not, as the vendor calls it."`
	At        string `json:"at"`
}

// Text is the reason.
func (o recipientOut) Text() string { return o.Why }

func explainRecipient(ctx context.Context, c call, in recipientIn) (recipientOut, error) {
	found, err := c.campaign(ctx, in.CampaignID)
	if err != nil {
		return recipientOut{}, err
	}
	ref, err := c.recipient(ctx, in.Recipient)
	if err != nil {
		return recipientOut{}, err
	}
	d, err := c.Ledger.Find(ctx, found.ID, ref)
	if err != nil {
		return recipientOut{}, err
	}
	out := recipientOut{
		Why: why(d.MessageState, d.CampaignStatus), CommunicationID: d.CommunicationID.String(), CustomerID: d.CustomerID.String(),
		Name: c.eyes().name(d.CustomerName), Email: c.eyes().email(d.CustomerEmail), Status: string(d.Status),
		SkipReason: string(d.SkipReason), FailureCode: cleanName(d.Code),
		Attempts: d.Attempts, MaxAttempts: d.MaxAttempts, Message: c.eyes().text(d.Text), Tries: []tryView{}, Receipts: []receiptView{},
	}
	for _, t := range d.Tries {
		out.Tries = append(out.Tries, tryView{Number: t.Number, Outcome: string(t.Outcome), Code: cleanName(t.Code), At: when(&t.At)})
	}
	for _, r := range d.Receipts {
		out.Receipts = append(out.Receipts, receiptView{Delivered: r.Delivered, Code: cleanName(r.Code), At: when(&r.ReceivedAt)})
	}
	return out, nil
}

// otherCode stands in sentences for a code that is none: the vendor's text, which only structured content shows.
const otherCode = "OTHER"

// plainCode gives a code that may stand in a sentence: capitals, digits and underscores.
func plainCode(code string) string {
	if code == "" || vendor.IsCode(vendor.Code(code)) {
		return code
	}
	return otherCode
}

// why is the message's sentence, which holds no text of the vendor's.
func why(m campaign.MessageState, status campaign.Status) string {
	m.Code = plainCode(m.Code)
	return campaign.Why(m, status)
}

// text of a message may hold whatever is known of a customer.
func (e eyes) text(text string) string {
	if !e.full {
		return "[withheld]"
	}
	return clean(text, longestText)
}

// recipient reads an id, or looks an address up for those who may see addresses: for others the answer
// would tell who is a customer.
func (c call) recipient(ctx context.Context, raw string) (uuid.UUID, error) {
	if id, err := uuid.Parse(raw); err == nil {
		return id, nil
	}
	if !strings.Contains(raw, "@") {
		return uuid.Nil, errs.InvalidFields("recipient must be an id or an e-mail address; search_customers finds customers by name",
			[]errs.Field{{Pointer: "/recipient", Message: "must be an id or an e-mail address"}})
	}
	if !c.eyes().full {
		return uuid.Nil, errs.Errorf(errs.Forbidden, "finding customers by address needs the permission %s: give the id", auth.ReadCustomers)
	}
	email := strings.ToLower(strings.TrimSpace(raw))
	page, err := c.Records.List(ctx, customer.Filter{Prefix: email, Sort: customer.SortEmail, Limit: defaultLimit})
	if err != nil {
		return uuid.Nil, err
	}
	for _, r := range page.Items {
		if r.Email == email {
			return r.ID, nil
		}
	}
	return uuid.Nil, errs.Errorf(errs.NotFound, "no customer has this e-mail address")
}

type stallOut struct {
	CampaignID string     `json:"campaign_id"`
	Status     string     `json:"status"`
	WaitsFor   string     `json:"waits_for" jsonschema_description:"NOTHING, LAUNCH, START_TIME, RESUME, SEND_WINDOW, AUDIENCE, SENDING, RATE, RECEIPTS, CLOSING or WORKFLOW."`
	Until      string     `json:"until,omitempty" jsonschema_description:"When the wait ends at the latest, if that is known."`
	What       string     `json:"what"`
	Books      *booksView `json:"books"`
}

// Text says what it waits for.
func (o stallOut) Text() string { return o.What }

func explainStall(ctx context.Context, c call, in campaignIn) (stallOut, error) {
	named, err := c.campaign(ctx, in.CampaignID)
	if err != nil {
		return stallOut{}, err
	}
	p, err := c.Campaigns.Progress(ctx, named.ID)
	if err != nil {
		return stallOut{}, err
	}
	found, err := c.Campaigns.Get(ctx, named.ID)
	if err != nil {
		return stallOut{}, err
	}
	out := waits(found, p)
	out.CampaignID, out.Status, out.Books = found.ID.String(), string(found.Status), booksOf(p.Totals)
	return out, nil
}

// waits says what a campaign waits for, by its state and by what its workflow says of itself.
func waits(c campaign.Campaign, p campaign.Progress) stallOut {
	switch {
	case c.Status == campaign.Draft:
		return stallOut{WaitsFor: "LAUNCH", What: "It is a draft: dry_run_campaign and launch_campaign start it."}
	case c.Status.Ended():
		return stallOut{WaitsFor: "NOTHING", What: fmt.Sprintf("It has ended as %s%s.", c.Status, reason(c))}
	case p.Phase == string(c.Status) && c.Status != campaign.Scheduled:
		// The service says the stored status when the workflow does not answer.
		return stallOut{WaitsFor: "WORKFLOW", What: "Its workflow gives no answer: Temporal or the workers are away, or have not come to " +
			"it yet. Nothing is lost; it goes on by itself when they are back."}
	case p.Paused:
		return stallOut{WaitsFor: "RESUME", What: "It is paused: resume_campaign goes on."}
	case c.Status == campaign.Scheduled:
		return stallOut{WaitsFor: "START_TIME", Until: when(c.ScheduledAt), What: "It starts at " + when(c.ScheduledAt) + "."}
	case p.WaitsUntil != nil:
		return stallOut{
			WaitsFor: "SEND_WINDOW", Until: when(p.WaitsUntil),
			What: "Its send window is closed; it goes on at " + when(p.WaitsUntil) + ".",
		}
	}
	return waitsInPhase(c, p)
}

func waitsInPhase(c campaign.Campaign, p campaign.Progress) stallOut {
	switch {
	case p.Totals.Audience == 0 && p.Totals.Pending == 0 && c.Stats == nil:
		return stallOut{WaitsFor: "AUDIENCE", What: "It is finding out whom its rules select."}
	case p.Totals.Pending > 0 && p.Rate > 0:
		left := time.Duration(float64(p.Totals.Pending) / p.Rate * float64(time.Second)).Round(time.Second)
		return stallOut{WaitsFor: "RATE", What: fmt.Sprintf("%d message(s) are still to be sent, at %g a second: some %s more.",
			p.Totals.Pending, p.Rate, left)}
	case p.Totals.Pending > 0:
		return stallOut{WaitsFor: "SENDING", What: fmt.Sprintf("%d message(s) are still to be sent, or to be sent again after the vendor "+
			"refused them for now; each is given up %s after it could first be sent.", p.Totals.Pending, c.SendDeadline)}
	case p.Totals.InFlight > 0:
		return stallOut{WaitsFor: "RECEIPTS", What: fmt.Sprintf("All are sent; %d delivery receipt(s) are awaited, at most %s after the last "+
			"message. What comes later still counts.", p.Totals.InFlight, c.ReceiptDeadline)}
	}
	return stallOut{WaitsFor: "CLOSING", What: "Every recipient is accounted for; its books are being closed."}
}

func reason(c campaign.Campaign) string {
	if c.FailureReason == "" {
		return ""
	}
	return ": " + clean(c.FailureReason, longestText)
}

type failuresIn struct {
	CampaignID  string `json:"campaign_id"            jsonschema_description:"Id or exact name of the campaign."          length:"255"`
	FailureCode string `json:"failure_code,omitempty" jsonschema_description:"Only this code of the vendor, such as EMAIL_BOUNCED." length:"100"`
	Limit       int    `json:"limit,omitempty"        jsonschema_description:"How many to list, 10 unless said otherwise." min:"1" max:"50"`
}

type failuresOut struct {
	ByCode   []codeCount   `json:"by_code" jsonschema_description:"The most frequent first."`
	Counted  int           `json:"counted" jsonschema_description:"How many failed messages were counted."`
	Complete bool          `json:"complete" jsonschema_description:"false if there are more than were counted."`
	Failures []failureView `json:"failures"`
}

type codeCount struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
}

type failureView struct {
	CommunicationID string `json:"communication_id"`
	CustomerID      string `json:"customer_id"`
	Email           string `json:"email"`
	Code            string `json:"code"`
	Attempts        int    `json:"attempts"`
	Why             string `json:"why"`
}

// Text says the counts.
func (o failuresOut) Text() string {
	if o.Counted == 0 {
		return "No message has failed."
	}
	parts := make([]string, len(o.ByCode))
	for i, b := range o.ByCode {
		parts[i] = fmt.Sprintf("%s %d", b.Code, b.Count)
	}
	return fmt.Sprintf("%d failed message(s): %s.", o.Counted, strings.Join(parts, ", "))
}

// mostCounted bounds how many failures one call counts, in pages of failurePage.
const mostCounted, failurePage = 10_000, 1000

func listFailures(ctx context.Context, c call, in failuresIn) (failuresOut, error) {
	found, err := c.campaign(ctx, in.CampaignID)
	if err != nil {
		return failuresOut{}, err
	}
	out := failuresOut{ByCode: []codeCount{}, Failures: []failureView{}}
	counts := map[string]int{}
	f := campaign.EntryFilter{
		CampaignID: found.ID, Statuses: []campaign.MessageStatus{campaign.MessageFailed}, FailureCode: in.FailureCode, Limit: failurePage,
	}
	for !out.Complete && out.Counted < mostCounted {
		page, err := c.Ledger.Entries(ctx, f)
		if err != nil {
			return failuresOut{}, err
		}
		for _, e := range page.Items {
			counts[plainCode(e.Code)]++
			out.Counted++
			if len(out.Failures) < orDefault(in.Limit, defaultLimit) {
				out.Failures = append(out.Failures, c.failure(e, found.Status))
			}
		}
		out.Complete = page.Next.IsZero()
		if f.After, err = campaign.EntryPosition(page.Next); err != nil {
			return failuresOut{}, errors.New("the ledger's cursor cannot be read") // it was made a moment ago
		}
	}
	for _, code := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return byCount(counts, a, b) }) {
		out.ByCode = append(out.ByCode, codeCount{Code: code, Count: counts[code]})
	}
	return out, nil
}

func byCount(counts map[string]int, a, b string) int {
	if counts[a] != counts[b] {
		return counts[b] - counts[a]
	}
	return strings.Compare(a, b)
}

func (c call) failure(e campaign.Entry, status campaign.Status) failureView {
	return failureView{
		CommunicationID: e.CommunicationID.String(), CustomerID: e.CustomerID.String(), Email: c.eyes().email(e.CustomerEmail),
		Code: cleanName(e.Code), Attempts: e.Attempts, Why: why(e.MessageState, status),
	}
}
