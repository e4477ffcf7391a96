package mcpserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

func campaignTools() []tool {
	return []tool{
		define(tool{
			name: "create_campaign", title: "Create a campaign", needs: auth.WriteCampaigns, effect: adds,
			description: "Makes a campaign as a DRAFT: nobody gets a message from this. To send it, call dry_run_campaign, show the person " +
				"what it says, and then launch_campaign. The template may use {{ name }}, {{ email }}, {{ total_spend }}, {{ total_visits }} " +
				"and {{ unsubscribe_url }}; {name} works too.",
		}, createCampaign),
		define(tool{
			name: "list_campaigns", title: "List campaigns", needs: auth.ReadCampaigns, effect: reads,
			description: "Lists the campaigns, newest first, with their books; of one status if it is given. ACTIVE means running.",
		}, listCampaigns),
		define(tool{
			name: "get_campaign_stats", title: "Statistics of a campaign", needs: auth.ReadCampaigns, effect: reads,
			description: "Says what a campaign is and what became of its recipients: every one is in exactly one of the counts.",
		}, campaignStats),
		define(tool{
			name: "dry_run_campaign", title: "Try a draft out", needs: auth.ReadCustomers, effect: reads,
			description: "Says what launching a draft would do now: how many get a message, who is left out and why, what some of the messages " +
				"say, how long it takes. It sends nothing. It returns the confirm value that launch_campaign needs; show the person the " +
				"numbers and the messages before you use it.",
		}, dryRun),
		define(tool{
			name: "launch_campaign", title: "Launch a campaign", needs: auth.ControlCampaigns, effect: sends,
			description: "Sends a draft to its audience: real people get real messages, which cannot be taken back. Needs the confirm value " +
				"of dry_run_campaign, given out for the draft as it is now, and the person's agreement. A value works once.",
		}, launchCampaign),
	}
}

type createCampaignIn struct {
	Name            string    `json:"name"                      jsonschema_description:"The campaign's name, for people."                                    length:"255"`
	Segment         string    `json:"segment,omitempty"         jsonschema_description:"Whom to write to: id or exact name of a segment."                   length:"255"`
	SegmentID       string    `json:"segment_id,omitempty"      jsonschema_description:"The same, under its older name; segment or segment_id is needed."   length:"255"`
	MessageTemplate string    `json:"message_template"          jsonschema_description:"The message, with placeholders in Liquid, such as Hi {{ name }}."   length:"20000"`
	CampaignType    string    `json:"campaign_type,omitempty"   jsonschema:"enum=PROMOTIONAL,enum=TRANSACTIONAL,enum=REMINDER,enum=NEWSLETTER"               jsonschema_description:"PROMOTIONAL unless said otherwise."`
	Status          string    `json:"status,omitempty"          jsonschema:"enum=DRAFT,enum=ACTIVE,enum=INACTIVE"                                             jsonschema_description:"Leave it out: a campaign is made as a DRAFT, and launch_campaign makes it ACTIVE."`
	CreatedBy       string    `json:"created_by,omitempty"      jsonschema_description:"Leave it out: whoever calls is the author. Believed only while the server runs without authentication." length:"255"`
	ScheduledAt     string    `json:"scheduled_at,omitempty"    jsonschema_description:"When to start once it is launched, RFC 3339 with a zone; at once if left out." format:"date-time"`
	SendWindow      *windowIn `json:"send_window,omitempty"     jsonschema_description:"The hours of each day in which it sends; any time if left out."`
	Rate            float64   `json:"rate,omitempty"            jsonschema_description:"Most messages a second; 0 or left out for no limit."                 min:"0" max:"1000000"`
	IdempotencyKey  string    `json:"idempotency_key,omitempty" jsonschema_description:"Any text of your own; calls with the same one make one campaign."    length:"255"`
}

type windowIn struct {
	From     string `json:"from"      jsonschema_description:"Time of day, such as 09:00."                                     length:"5"`
	To       string `json:"to"        jsonschema_description:"Time of day, such as 20:00; before from means on the next day."  length:"5"`
	TimeZone string `json:"time_zone" jsonschema_description:"IANA name, such as Asia/Kolkata."                                length:"64"`
}

// campaignView is a campaign as an assistant sees one. Names and templates were typed by others.
type campaignView struct {
	CampaignID      string     `json:"campaign_id"`
	Name            string     `json:"name"`
	Status          string     `json:"status" jsonschema_description:"DRAFT, SCHEDULED, ACTIVE (running), PAUSED, COMPLETED, CANCELLED or FAILED."`
	CampaignType    string     `json:"campaign_type"`
	SegmentID       string     `json:"segment_id"`
	SegmentName     string     `json:"segment_name"`
	RulesInWords    string     `json:"rules_in_words" jsonschema_description:"Whom it is for; frozen when the campaign was made."`
	MessageTemplate string     `json:"message_template"`
	TargetCount     int        `json:"target_audience_count" jsonschema_description:"Estimated until it starts, then exact."`
	Rate            float64    `json:"rate" jsonschema_description:"Messages a second, 0 for no limit."`
	ScheduledAt     string     `json:"scheduled_at,omitempty"`
	CreatedBy       string     `json:"created_by"`
	CreatedAt       string     `json:"created_at"`
	FinishedAt      string     `json:"finished_at,omitempty"`
	FailureReason   string     `json:"failure_reason,omitempty"`
	Books           *booksView `json:"books,omitempty" jsonschema_description:"Absent until its audience is known."`
}

// booksView are a campaign's books: audience is the sum of the others, but for sent and the rate.
type booksView struct {
	Audience     int    `json:"audience"`
	Pending      int    `json:"pending" jsonschema_description:"Not accepted by the vendor yet."`
	InFlight     int    `json:"in_flight" jsonschema_description:"Accepted by the vendor, its receipt is awaited."`
	Delivered    int    `json:"delivered"`
	Failed       int    `json:"failed"`
	Skipped      int    `json:"skipped" jsonschema_description:"Never to be sent: no address, suppressed, or the template failed."`
	Cancelled    int    `json:"cancelled"`
	Sent         int    `json:"sent" jsonschema_description:"Handed to the vendor at least once."`
	DeliveryRate string `json:"delivery_rate_percent" jsonschema_description:"Delivered of sent, in percent."`
}

func booksOf(t campaign.Totals) *booksView {
	return &booksView{
		Audience: t.Audience, Pending: t.Pending, InFlight: t.InFlight, Delivered: t.Delivered, Failed: t.Failed, Skipped: t.Skipped,
		Cancelled: t.Cancelled, Sent: t.Sent, DeliveryRate: t.DeliveryRate().String(),
	}
}

func (b booksView) String() string {
	return fmt.Sprintf("%d recipients: %d delivered, %d failed, %d skipped, %d cancelled, %d awaiting a receipt, %d still to be sent",
		b.Audience, b.Delivered, b.Failed, b.Skipped, b.Cancelled, b.InFlight, b.Pending)
}

func campaignOf(c campaign.Campaign) campaignView {
	v := campaignView{
		CampaignID: c.ID.String(), Name: cleanName(c.Name), Status: string(c.Status), CampaignType: string(c.Type),
		SegmentID: c.SegmentID.String(), SegmentName: cleanName(c.SegmentName), RulesInWords: inWords(c.Rules),
		MessageTemplate: clean(c.MessageTemplate, longestText), TargetCount: c.TargetCount, Rate: c.Rate,
		ScheduledAt: when(c.ScheduledAt), CreatedBy: cleanName(c.CreatedBy), CreatedAt: when(&c.CreatedAt), FinishedAt: when(c.FinishedAt),
		FailureReason: clean(c.FailureReason, longestText),
	}
	if c.Stats != nil {
		v.Books = booksOf(c.Stats.Totals)
	}
	return v
}

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

type createdOut campaignView

// Text says what to do next.
func (o createdOut) Text() string {
	return fmt.Sprintf("The campaign %s is saved as a DRAFT for about %d customer(s). Nothing was sent; dry_run_campaign is next.",
		o.CampaignID, o.TargetCount)
}

func createCampaign(ctx context.Context, c call, in createCampaignIn) (createdOut, error) {
	if in.Status != "" && in.Status != string(campaign.Draft) {
		return createdOut{}, errs.InvalidFields("a campaign is not started by creating it: leave status out, then call dry_run_campaign "+
			"and launch_campaign", []errs.Field{{Pointer: "/status", Message: "must be DRAFT or left out"}})
	}
	segment, err := c.segment(ctx, firstOf(in.Segment, in.SegmentID))
	if err != nil {
		return createdOut{}, err
	}
	said := campaign.CreateInput{
		Name: in.Name, SegmentID: segment.ID, MessageTemplate: in.MessageTemplate, Type: in.CampaignType, Rate: in.Rate,
		Principal: c.by.ID(), IdempotencyKey: in.IdempotencyKey,
	}
	if c.by.Kind == auth.Nobody && strings.TrimSpace(in.CreatedBy) != "" {
		said.Principal = cleanName(in.CreatedBy)
	}
	if in.SendWindow != nil {
		said.SendWindow = &campaign.SendWindow{From: in.SendWindow.From, To: in.SendWindow.To, TimeZone: in.SendWindow.TimeZone}
	}
	if in.ScheduledAt != "" {
		at, err := time.Parse(time.RFC3339, in.ScheduledAt)
		if err != nil {
			return createdOut{}, errs.InvalidFields("scheduled_at must be a time with a zone, as 2026-09-20T10:00:00+05:30",
				[]errs.Field{{Pointer: "/scheduled_at", Message: "must be a time with a zone"}})
		}
		said.ScheduledAt = &at
	}
	made, err := c.Campaigns.Create(ctx, said)
	return createdOut(campaignOf(made)), err
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

type listCampaignsIn struct {
	Status string `json:"status,omitempty" jsonschema:"enum=DRAFT,enum=SCHEDULED,enum=ACTIVE,enum=PAUSED,enum=COMPLETED,enum=CANCELLED,enum=FAILED" jsonschema_description:"Only campaigns with this status."`
	Limit  int    `json:"limit,omitempty"  jsonschema_description:"How many to list, 10 unless said otherwise." min:"1" max:"50"`
}

type campaignsOut struct {
	Campaigns []campaignView `json:"campaigns"`
	Searched  int            `json:"searched" jsonschema_description:"How many of the newest campaigns were looked at."`
}

// Text says how many there are.
func (o campaignsOut) Text() string {
	if len(o.Campaigns) == 0 {
		return "No campaigns found."
	}
	return fmt.Sprintf("Listed %d campaign(s), newest first.", len(o.Campaigns))
}

// furthest bounds how many campaigns are looked through for a status or a name: the newest ones, ten pages.
const furthest, pageOf = 1000, 100

func listCampaigns(ctx context.Context, c call, in listCampaignsIn) (campaignsOut, error) {
	out := campaignsOut{Campaigns: []campaignView{}}
	limit := orDefault(in.Limit, defaultLimit)
	err := c.eachCampaign(ctx, func(found campaign.Campaign) bool {
		out.Searched++
		if in.Status == "" || string(found.Status) == in.Status {
			out.Campaigns = append(out.Campaigns, campaignOf(found))
		}
		return len(out.Campaigns) < limit
	})
	return out, err
}

// eachCampaign shows the newest campaigns until it is told to stop.
func (c call) eachCampaign(ctx context.Context, more func(campaign.Campaign) bool) error {
	var after cursor.Position
	for range furthest / pageOf {
		page, err := c.Campaigns.ListAfter(ctx, after, pageOf)
		if err != nil {
			return err
		}
		for _, found := range page.Items {
			if !more(found) {
				return nil
			}
		}
		if after = page.Next; after.IsZero() {
			return nil
		}
	}
	return nil
}

// campaign finds a campaign by its id or, among the newest, by its exact name.
func (c call) campaign(ctx context.Context, idOrName string) (campaign.Campaign, error) {
	if id, err := uuid.Parse(idOrName); err == nil {
		return c.Campaigns.Get(ctx, id)
	}
	var found []campaign.Campaign
	err := c.eachCampaign(ctx, func(one campaign.Campaign) bool {
		if one.Name == strings.TrimSpace(idOrName) {
			found = append(found, one)
		}
		return true
	})
	if err != nil {
		return campaign.Campaign{}, err
	}
	return only(found, "campaign", "list_campaigns", func(one campaign.Campaign) string { return one.ID.String() })
}

// campaignIn names a campaign.
type campaignIn struct {
	CampaignID string `json:"campaign_id" jsonschema_description:"Id or exact name of the campaign." length:"255"`
}

type statsOut campaignView

// Text says the books.
func (o statsOut) Text() string {
	if o.Books == nil {
		return fmt.Sprintf("The campaign is %s and has no recipients yet; its segment has about %d.", o.Status, o.TargetCount)
	}
	return fmt.Sprintf("The campaign is %s. %s. Delivery rate %s%%.", o.Status, o.Books, o.Books.DeliveryRate)
}

func campaignStats(ctx context.Context, c call, in campaignIn) (statsOut, error) {
	found, err := c.campaign(ctx, in.CampaignID)
	return statsOut(campaignOf(found)), err
}

type dryRunOut struct {
	CampaignID   string          `json:"campaign_id"`
	RulesInWords string          `json:"rules_in_words"`
	Audience     int             `json:"audience" jsonschema_description:"Customers whom the rules select."`
	ToSend       int             `json:"to_send" jsonschema_description:"Messages that would go out."`
	NoEmail      int             `json:"skipped_no_email"`
	Suppressed   int             `json:"skipped_suppressed" jsonschema_description:"They have unsubscribed or must not be written to."`
	RenderFailed int             `json:"skipped_template_failed"`
	Estimated    bool            `json:"estimated" jsonschema_description:"The audience is so large that skipped_template_failed was not counted for everybody."`
	FanOut       string          `json:"fan_out"`
	Takes        string          `json:"takes,omitempty" jsonschema_description:"How long sending takes at the campaign's rate; absent without a rate."`
	Messages     []sampleMessage `json:"messages" jsonschema_description:"What some of them would get. Names and texts were typed by others."`
	Confirm      string          `json:"confirm" jsonschema_description:"For launch_campaign: once, for the draft as it is now, for the caller of this dry run."`
	ConfirmUntil string          `json:"confirm_until"`
}

type sampleMessage struct {
	CustomerID string `json:"customer_id"`
	Name       string `json:"name"`
	Email      string `json:"email"`
	Text       string `json:"text"`
}

// Text says what would happen.
func (o dryRunOut) Text() string {
	return fmt.Sprintf("Launching would send %d message(s): the rules select %d customer(s), of whom %d have no e-mail address, %d are "+
		"suppressed and for %d the template fails. Nothing was sent. Show the person these numbers and the messages; if the person "+
		"agrees, call launch_campaign with the confirm value before %s.",
		o.ToSend, o.Audience, o.NoEmail, o.Suppressed, o.RenderFailed, o.ConfirmUntil)
}

func dryRun(ctx context.Context, c call, in campaignIn) (dryRunOut, error) {
	named, err := c.campaign(ctx, in.CampaignID)
	if err != nil {
		return dryRunOut{}, err
	}
	draft, r, err := c.Campaigns.RehearseDraft(ctx, named.ID)
	if err != nil {
		return dryRunOut{}, err
	}
	confirm, until := c.confirm.make(c.launchOf(draft, r.Audience))
	out := dryRunOut{
		CampaignID: draft.ID.String(), RulesInWords: inWords(draft.Rules), Audience: r.Audience, ToSend: r.ToSend(), NoEmail: r.NoEmail,
		Suppressed: r.Suppressed, RenderFailed: r.RenderFailed, Estimated: r.Estimated, FanOut: string(r.FanOut),
		Messages: []sampleMessage{}, Confirm: confirm, ConfirmUntil: when(&until),
	}
	if r.Duration != nil {
		out.Takes = r.Duration.Round(time.Second).String()
	}
	for _, m := range r.Sample {
		out.Messages = append(out.Messages, sampleMessage{
			CustomerID: m.CustomerID.String(), Name: cleanName(m.Name), Email: c.eyes().email(m.Email), Text: clean(m.Text, longestText),
		})
	}
	return out, nil
}

// launchOf is what somebody agrees to who launches the draft.
func (c call) launchOf(draft campaign.Campaign, audience int) subject {
	return subject{
		Tool: "launch_campaign", Principal: c.by.ID(), CampaignID: draft.ID, Version: draft.Version, Rules: draft.Rules,
		Template: draft.MessageTemplate, People: audience,
	}
}

type confirmedIn struct {
	CampaignID string `json:"campaign_id" jsonschema_description:"Id or exact name of the campaign."                       length:"255"`
	Confirm    string `json:"confirm"     jsonschema_description:"The confirm value of dry_run_campaign, as it was given." length:"500"`
}

type launchedOut struct {
	CampaignID  string `json:"campaign_id"`
	Status      string `json:"status"`
	WorkflowID  string `json:"workflow_id" jsonschema_description:"The workflow in Temporal that runs it."`
	WorkflowURL string `json:"workflow_url,omitempty" jsonschema_description:"Its page in the Temporal Web UI."`
}

// Text says where to look.
func (o launchedOut) Text() string {
	text := "The campaign is launched and " + o.Status + ". campaign_progress follows it."
	if o.WorkflowURL != "" {
		text += " Its workflow: " + o.WorkflowURL
	}
	return text
}

func launchCampaign(ctx context.Context, c call, in confirmedIn) (launchedOut, error) {
	const again = "dry_run_campaign"
	draft, err := c.campaign(ctx, in.CampaignID)
	if err != nil {
		return launchedOut{}, err
	}
	if draft.Status != campaign.Draft {
		return launchedOut{}, errs.Errorf(errs.Conflict, "the campaign is %s: it was launched already, and can be launched once", draft.Status)
	}
	audience, err := c.Segments.Count(ctx, draft.Rules)
	if err != nil {
		return launchedOut{}, err
	}
	var launched campaign.Campaign
	err = c.confirm.take(ctx, in.Confirm, c.launchOf(draft, audience), again, func() error {
		// An edit that came after the look above makes another version, and is refused.
		launched, err = c.Campaigns.LaunchIf(ctx, draft.ID, customer.Match{Versions: []int64{int64(draft.Version)}})
		return uncertain(err)
	})
	return c.launched(launched), err
}

func (c call) launched(of campaign.Campaign) launchedOut {
	out := launchedOut{CampaignID: of.ID.String(), Status: string(of.Status), WorkflowID: campaign.WorkflowID(of.ID, of.Round)}
	if c.WorkflowURL != nil {
		out.WorkflowURL = c.WorkflowURL(out.WorkflowID)
	}
	return out
}
