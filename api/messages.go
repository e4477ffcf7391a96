package api

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
)

// messages shows what became of a campaign's recipients.
type messages struct{ service Ledger }

// MessageView is one recipient of a campaign as clients see it. Like MessageFilter it is exported because
// Huma documents and fills embedded structs of exported types only.
type MessageView struct {
	CommunicationID string   `json:"communication_id" format:"uuid" doc:"The message's id; also the vendor's idempotency key." example:"0d7c1d3e-6c1f-5b0e-9a5e-0a4b1d2c3e4f"`
	Seq             int      `json:"seq" doc:"Its number within the campaign, from 1." example:"17"`
	CustomerID      string   `json:"customer_id" format:"uuid" doc:"The customer's id." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
	CustomerName    string   `json:"customer_name" doc:"The customer's name when the campaign started; [erased] when the customer was erased." example:"Asha"`
	CustomerEmail   string   `json:"customer_email" doc:"The address when the campaign started; empty when there was none." example:"asha@shop.in"`
	Status          string   `json:"status" doc:"PENDING, SKIPPED, CANCELLED, SENT (the receipt is awaited), FAILED or DELIVERED." example:"FAILED"`
	Attempts        int      `json:"attempts" doc:"Answers of the vendor; a timeout is none." example:"1"`
	MaxAttempts     int      `json:"max_attempts" doc:"Answers after which it is given up." example:"3"`
	FailureCode     *string  `json:"failure_code" doc:"Why it failed, or was last refused, in the vendor's word or SEND_DEADLINE; null when nothing did." example:"EMAIL_BOUNCED"`
	FailureReason   *string  `json:"failure_reason" doc:"The same in the vendor's sentence; null when there is none." example:"Email address bounced"`
	SkipReason      *string  `json:"skip_reason" doc:"NO_EMAIL, SUPPRESSED or RENDER_FAILED of a SKIPPED one, else null." example:"SUPPRESSED"`
	VendorRef       *string  `json:"vendor_ref" doc:"The vendor's reference, null while it has not accepted it." example:"msg_1757851200_ab12"`
	CreatedAt       instant  `json:"created_at" doc:"When the audience was stored." example:"2025-09-14T12:00:00.000Z"`
	LastAttemptAt   *instant `json:"last_attempt_at" nullable:"true" doc:"When the vendor last answered, null if never." example:"2025-09-14T12:00:02.000Z"`
	SentAt          *instant `json:"sent_at" nullable:"true" doc:"When it was first handed over, null if never." example:"2025-09-14T12:00:02.000Z"`
	DeliveredAt     *instant `json:"delivered_at" nullable:"true" doc:"When it was delivered, null if it was not." example:"2025-09-14T12:00:05.000Z"`
}

// messageDetail is everything that is known of one message.
type messageDetail struct {
	MessageView

	Why      string          `json:"why" doc:"Why the customer did, or did not, get it, in one sentence." example:"Not delivered: the vendor accepted it and later reported that the address bounced (EMAIL_BOUNCED)."`
	Text     string          `json:"message_text" doc:"The text as it was rendered and is sent; [erased] when the customer was erased." example:"Hi Asha, 10% off"`
	Tries    []tryView       `json:"send_attempts" nullable:"false" doc:"The vendor's answers, the oldest first; 500 at most."`
	Receipts []storedReceipt `json:"delivery_receipts" nullable:"false" doc:"The vendor's receipts, the oldest first; 500 at most."`
}

// tryView is what one try at sending came to.
type tryView struct {
	Attempt   int     `json:"attempt" doc:"The number of the answer, from 1." example:"1"`
	Outcome   string  `json:"outcome" doc:"ACCEPTED, RETRYABLE (refused for now), PERMANENT (refused for good) or EXPIRED (given up)." example:"ACCEPTED"`
	Code      *string `json:"code" doc:"The vendor's reason, null when it accepted." example:"RATE_LIMITED"`
	LatencyMS int64   `json:"latency_ms" doc:"How long the answer took, in milliseconds." example:"412"`
	At        instant `json:"attempted_at" doc:"When the answer came." example:"2025-09-14T12:00:02.000Z"`
}

// storedReceipt is one receipt of the vendor.
type storedReceipt struct {
	ReceiptID     string  `json:"receipt_id" format:"uuid" doc:"The receipt's id." example:"0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
	Attempt       int     `json:"attempt" doc:"Which attempt it is about; 0 when the vendor does not say." example:"1"`
	Status        string  `json:"receipt_status" doc:"DELIVERED or FAILED." example:"FAILED"`
	VendorRef     *string `json:"vendor_ref" doc:"The vendor's reference." example:"msg_1757851200_ab12"`
	FailureCode   *string `json:"failure_code" doc:"Why it failed, null when it did not." example:"EMAIL_BOUNCED"`
	FailureReason *string `json:"failure_reason" doc:"The same in the vendor's sentence." example:"Email address bounced"`
	OccurredAt    instant `json:"occurred_at" doc:"When it happened, by the vendor's clock." example:"2025-09-14T12:00:05.000Z"`
	ReceivedAt    instant `json:"received_at" doc:"When the receipt was stored." example:"2025-09-14T12:00:06.000Z"`
}

// MessageFilter is what the list and the export share.
type MessageFilter struct {
	ID          string `path:"id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Status      string `query:"status" doc:"A comma list of PENDING, SKIPPED, CANCELLED, SENT, FAILED and DELIVERED; any if absent." example:"FAILED,SKIPPED"`
	FailureCode string `query:"failure_code" maxLength:"50" doc:"One failure code; any if absent." example:"EMAIL_BOUNCED"`
}

type messageQuery struct {
	MessageFilter

	Limit  limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100." example:"10"`
	Cursor string     `query:"cursor" doc:"next_cursor of the page before, of the same campaign and filter." example:"eyJrIjoiMTAifQ"`
}

// maxFailureCode is the width of the column that is searched.
const maxFailureCode = 50

// filter gives the filter without a place in the list, and the scope of its cursors.
func (q MessageFilter) filter() (campaign.EntryFilter, []string, error) {
	id, err := idOf(q.ID, "Campaign")
	if err != nil {
		return campaign.EntryFilter{}, nil, err
	}
	statuses, err := campaign.ParseMessageStatuses(q.Status)
	if err != nil {
		return campaign.EntryFilter{}, nil, refusedParam("status", err.Error())
	}
	if len(q.FailureCode) > maxFailureCode {
		return campaign.EntryFilter{}, nil, refusedParam("failure_code", "must be at most 50 characters")
	}
	names := convert(statuses, func(s campaign.MessageStatus) string { return string(s) })
	scope := []string{"messages", id.String(), strings.Join(names, ","), q.FailureCode}
	return campaign.EntryFilter{CampaignID: id, Statuses: statuses, FailureCode: q.FailureCode}, scope, nil
}

func (m messages) list(ctx context.Context, in *messageQuery) (*reply[slice[MessageView]], error) {
	filter, scope, err := in.filter()
	if err != nil {
		return nil, err
	}
	if filter.Limit, err = in.Limit.number(); err != nil {
		return nil, err
	}
	if filter.After, err = seqOf(in.Cursor, scope); err != nil {
		return nil, err
	}
	found, err := m.service.Entries(ctx, filter)
	if err != nil {
		return nil, err
	}
	return sliced(found, viewLedgerEntry, scope), nil
}

func seqOf(raw string, scope []string) (int, error) {
	at, err := cursor.Decode(raw, scope...)
	if err != nil {
		return 0, refusedParam("cursor", err.Error())
	}
	seq, err := campaign.EntryPosition(at)
	if err != nil {
		return 0, refusedParam("cursor", err.Error())
	}
	return seq, nil
}

type messageRef struct {
	ID  string `path:"id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Ref string `path:"ref" format:"uuid" doc:"The customer's id, or the message's." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
}

func (m messages) get(ctx context.Context, in *messageRef) (*reply[answer[messageDetail]], error) {
	id, err := idOf(in.ID, "Campaign")
	if err != nil {
		return nil, err
	}
	ref, err := idOf(in.Ref, "Customer or message")
	if err != nil {
		return nil, err
	}
	found, err := m.service.Find(ctx, id, ref)
	if err != nil {
		return nil, err
	}
	return ok(messageDetail{
		MessageView: viewLedgerEntry(found.Entry), Why: found.Why(), Text: found.Text,
		Tries: convert(found.Tries, viewTry), Receipts: convert(found.Receipts, viewStoredReceipt),
	}), nil
}

func viewLedgerEntry(e campaign.Entry) MessageView {
	return MessageView{
		CommunicationID: e.CommunicationID.String(), Seq: e.Seq, CustomerID: e.CustomerID.String(),
		CustomerName: e.CustomerName, CustomerEmail: e.CustomerEmail, Status: string(e.Status), Attempts: e.Attempts,
		MaxAttempts: e.MaxAttempts, FailureCode: filled(e.Code), FailureReason: filled(e.Reason),
		SkipReason: filled(string(e.SkipReason)), VendorRef: filled(e.VendorRef), CreatedAt: instant{e.CreatedAt},
		LastAttemptAt: instantOf(e.LastAttemptAt), SentAt: instantOf(e.SentAt), DeliveredAt: instantOf(e.DeliveredAt),
	}
}

func viewTry(t campaign.EntryTry) tryView {
	return tryView{
		Attempt: t.Number, Outcome: string(t.Outcome), Code: filled(t.Code), LatencyMS: t.Latency.Milliseconds(), At: instant{t.At},
	}
}

func viewStoredReceipt(r campaign.EntryReceipt) storedReceipt {
	status := campaign.MessageFailed
	if r.Delivered {
		status = campaign.MessageDelivered
	}
	return storedReceipt{
		ReceiptID: r.ReceiptID.String(), Attempt: r.Attempt, Status: string(status), VendorRef: filled(r.VendorRef),
		FailureCode: filled(r.Code), FailureReason: filled(r.Reason), OccurredAt: instant{r.OccurredAt},
		ReceivedAt: instant{r.ReceivedAt},
	}
}

// filled gives nil, so null, for an empty text.
func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// exportHeader names the columns of the export as the list names its members.
func exportHeader() []string {
	return []string{
		"seq", "communication_id", "customer_id", "customer_name", "customer_email", "status", "attempts", "max_attempts",
		"failure_code", "failure_reason", "skip_reason", "vendor_ref", "created_at", "last_attempt_at", "sent_at", "delivered_at",
	}
}

func exportRow(e campaign.Entry) []string {
	return []string{
		strconv.Itoa(e.Seq), e.CommunicationID.String(), e.CustomerID.String(), e.CustomerName, e.CustomerEmail,
		string(e.Status), strconv.Itoa(e.Attempts), strconv.Itoa(e.MaxAttempts), e.Code, e.Reason, string(e.SkipReason),
		e.VendorRef, instant{e.CreatedAt}.text(), timeText(e.LastAttemptAt), timeText(e.SentAt), timeText(e.DeliveredAt),
	}
}

// timeText gives an empty text for no time.
func timeText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return instant{*t}.text()
}
