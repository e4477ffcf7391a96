package failpoint

// The roles that pass points. Code that several roles share is listed under the one that a test would
// kill there.
const (
	roleAPI      = "api"
	roleConsumer = "consumer"
	roleRelay    = "relay"
	roleWorker   = "worker"
	roleVendor   = "mock-vendor"
)

// Point describes a named instant.
type Point struct {
	Name Name
	// Role is who passes it: api, consumer, relay, worker or mock-vendor.
	Role string
	// Lossy points stand behind an effect whose answer can be lost: they know the action err.
	Lossy bool
	Doc   string
}

// The points, by role and in the order in which one piece of work passes them.
const (
	IngestBeforePublish     Name = "ingest.before_publish"
	IngestAfterPublish      Name = "ingest.after_publish"
	IngestAfterConfirm      Name = "ingest.after_confirm"
	ReceiptsInBeforePublish Name = "receipts_in.before_publish"
	ReceiptsInAfterPublish  Name = "receipts_in.after_publish"
	ReceiptsInAfterConfirm  Name = "receipts_in.after_confirm"
	CampaignAfterRow        Name = "campaign.after_row"
	CampaignAfterStart      Name = "campaign.after_start"
	CampaignAfterConfirm    Name = "campaign.after_confirm"
	ControlBefore           Name = "control.before"
	ControlAfter            Name = "control.after"
	RoundBeforeCommit       Name = "round.before_commit"
	RoundAfterRow           Name = "round.after_row"
	ImportBeforeStage       Name = "import.before_stage"
	ImportAfterStage        Name = "import.after_stage"
	ImportAfterUpload       Name = "import.after_upload"
	ImportBeforeApply       Name = "import.before_apply"
	ImportAfterApply        Name = "import.after_apply"

	ConsumeReceived     Name = "consume.received"
	ConsumeAfterInbox   Name = "consume.after_inbox"
	ConsumeAfterEffect  Name = "consume.after_effect"
	ConsumeAfterCommit  Name = "consume.after_commit"
	ConsumeAfterAck     Name = "consume.after_ack"
	ProjectReceived     Name = "project.received"
	ProjectBeforeCommit Name = "project.before_commit"
	ProjectAfterCommit  Name = "project.after_commit"
	ProjectAfterAck     Name = "project.after_ack"
	ReceiptReceived     Name = "receipt.received"
	ReceiptAfterInsert  Name = "receipt.after_insert"
	ReceiptAfterLog     Name = "receipt.after_log"
	ReceiptAfterStats   Name = "receipt.after_stats"
	ReceiptAfterCommit  Name = "receipt.after_commit"
	ReceiptAfterAck     Name = "receipt.after_ack"
	SweepBeforeCommit   Name = "sweep.before_commit"
	SweepAfterCommit    Name = "sweep.after_commit"
	ParkBeforeInsert    Name = "park.before_insert"
	ParkAfterInsert     Name = "park.after_insert"
	NudgeBefore         Name = "nudge.before"
	NudgeAfter          Name = "nudge.after"

	RelayAfterSelect   Name = "relay.after_select"
	RelayAfterPublish  Name = "relay.after_publish"
	RelayAfterConfirm  Name = "relay.after_confirm"
	RelayAfterMark     Name = "relay.after_mark"
	RelayAfterCommit   Name = "relay.after_commit"
	StarterBeforeStart Name = "starter.before_start"
	StarterAfterStart  Name = "starter.after_start"

	AudienceAfterPage    Name = "audience.after_page"
	AudienceBeforeCommit Name = "audience.before_commit"
	AudienceAfterCommit  Name = "audience.after_commit"
	SendBeforeHTTP       Name = "send.before_http"
	SendAfterHTTP        Name = "send.after_http"
	SendAfterLog         Name = "send.after_log"
	SendAfterStats       Name = "send.after_stats"
	SendBeforeCommit     Name = "send.before_commit"
	SendAfterCommit      Name = "send.after_commit"
	SendBeforeReturn     Name = "send.before_return"
	StatusAfterCommit    Name = "status.after_commit"
	RateAfterCommit      Name = "rate.after_commit"
	CancelBeforeCommit   Name = "cancel.before_commit"
	CancelAfterCommit    Name = "cancel.after_commit"
	FinalAfterRead       Name = "final.after_read"
	FinalBeforeCommit    Name = "final.before_commit"
	FinalAfterCommit     Name = "final.after_commit"
	FailAfterCommit      Name = "fail.after_commit"

	VendorBeforeLedger Name = "vendor.before_ledger"
	VendorBeforeCommit Name = "vendor.before_commit"
	VendorAfterLedger  Name = "vendor.after_ledger"
	VendorBeforePost   Name = "vendor.before_post"
	VendorAfterPost    Name = "vendor.after_post"
	VendorAfterNote    Name = "vendor.after_note"

	TemporalStart            Name = "temporal.start"
	TemporalSignal           Name = "temporal.signal"
	TemporalUpdate           Name = "temporal.update"
	TemporalComplete         Name = "temporal.complete"
	TemporalWorkflowComplete Name = "temporal.workflow_complete"
)
