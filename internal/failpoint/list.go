package failpoint

import (
	"cmp"
	"slices"
)

// Points gives every point, sorted by name.
func Points() []Point {
	all := slices.Concat(doors(), consumers(), relays(), senders(), vendor(), engine())
	slices.SortFunc(all, func(a, b Point) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func find(name Name) (Point, bool) {
	all := Points()
	i := slices.IndexFunc(all, func(p Point) bool { return p.Name == name })
	if i < 0 {
		return Point{}, false
	}
	return all[i], true
}

func doors() []Point {
	const role = roleAPI
	return []Point{
		{IngestBeforePublish, role, false, "a posted customer or order is valid and not yet sent"},
		{IngestAfterPublish, role, false, "it was sent, the broker has not confirmed"},
		{IngestAfterConfirm, role, true, "the broker has it, the client has no answer"},
		{ReceiptsInBeforePublish, role, false, "posted receipts are valid and not yet sent"},
		{ReceiptsInAfterPublish, role, false, "they were sent, the broker has not confirmed"},
		{ReceiptsInAfterConfirm, role, true, "the broker has them, the vendor has no answer"},
		{CampaignAfterRow, role, false, "a created or launched campaign is stored, its workflow not started"},
		{CampaignAfterStart, role, false, "the workflow is started, which is not recorded"},
		{CampaignAfterConfirm, role, false, "the start is recorded, the client has no answer"},
		{ControlBefore, role, false, "pause, resume, cancel, rate or retry is allowed and not yet asked for"},
		{ControlAfter, role, true, "it is done, the client has no answer"},
		{RoundBeforeCommit, role, false, "failed messages are pending again, the new round not committed"},
		{RoundAfterRow, role, false, "the new round is stored, its workflow not started"},
		{ImportBeforeStage, role, false, "a batch of a file is copied, and not committed"},
		{ImportAfterStage, role, true, "the batch is safe, which the upload does not know"},
		{ImportAfterUpload, role, true, "the whole file is safe, the client has no answer"},
		{ImportBeforeApply, role, false, "a batch's customers, events and progress are written, and not committed"},
		{ImportAfterApply, role, true, "they are committed, which the applier does not know"},
	}
}

func consumers() []Point {
	const role = roleConsumer
	return []Point{
		{ConsumeReceived, role, false, "customers or orders were delivered, nothing is done"},
		{ConsumeAfterInbox, role, false, "their ids are in the inbox, uncommitted"},
		{ConsumeAfterEffect, role, false, "customers, orders and outbox are written, uncommitted"},
		{ConsumeAfterCommit, role, true, "their effect is committed, they are not acknowledged"},
		{ConsumeAfterAck, role, true, "they are acknowledged"},
		{ProjectReceived, role, false, "projection events were delivered, nothing is done"},
		{ProjectBeforeCommit, role, false, "the projection is written, uncommitted"},
		{ProjectAfterCommit, role, true, "it is committed, the events are not acknowledged"},
		{ProjectAfterAck, role, true, "the events are acknowledged"},
		{ReceiptReceived, role, false, "receipts were delivered, nothing is done"},
		{ReceiptAfterInsert, role, false, "they are inserted, ledger and books are not changed"},
		{ReceiptAfterLog, role, false, "the ledger is changed, the books are not"},
		{ReceiptAfterStats, role, false, "the books are changed, uncommitted"},
		{ReceiptAfterCommit, role, true, "all is committed, the receipts are not acknowledged"},
		{ReceiptAfterAck, role, true, "the receipts are acknowledged"},
		{SweepBeforeCommit, role, false, "waiting orders are counted, uncommitted"},
		{SweepAfterCommit, role, true, "they are committed"},
		{ParkBeforeInsert, role, false, "a message is to be parked"},
		{ParkAfterInsert, role, true, "it is parked, not acknowledged"},
		{NudgeBefore, role, false, "a campaign is to be told of its books"},
		{NudgeAfter, role, true, "it was told, which is not noted"},
	}
}

func relays() []Point {
	const role = roleRelay
	return []Point{
		{RelayAfterSelect, role, false, "outbox rows are locked"},
		{RelayAfterPublish, role, false, "their events were sent, the broker has not confirmed"},
		{RelayAfterConfirm, role, false, "the broker has confirmed, no row is marked"},
		{RelayAfterMark, role, false, "the rows are marked, uncommitted"},
		{RelayAfterCommit, role, true, "the marks are committed"},
		{StarterBeforeStart, role, false, "an unstarted campaign was found"},
		{StarterAfterStart, role, false, "its workflow is started, which is not recorded"},
	}
}

func senders() []Point {
	const role = roleWorker
	return []Point{
		{AudienceAfterPage, role, false, "a page of the ledger is copied, uncommitted"},
		{AudienceBeforeCommit, role, false, "ledger and books are written, uncommitted"},
		{AudienceAfterCommit, role, true, "the audience is committed, the activity not completed"},
		{SendBeforeHTTP, role, false, "a message is to be sent"},
		{SendAfterHTTP, role, true, "the vendor has answered, which is not recorded"},
		{SendAfterLog, role, false, "answers are in the ledger, not in the books"},
		{SendAfterStats, role, false, "they are in the books, the attempts are not logged"},
		{SendBeforeCommit, role, false, "all is written, uncommitted"},
		{SendAfterCommit, role, true, "the answers are committed, their activities do not know"},
		{SendBeforeReturn, role, false, "an activity knows, and is not completed"},
		{StatusAfterCommit, role, true, "the campaign's status is committed, the activity not completed"},
		{RateAfterCommit, role, true, "the campaign's pace is committed, the activity not completed"},
		{CancelBeforeCommit, role, false, "a page of pending messages is cancelled, uncommitted"},
		{CancelAfterCommit, role, true, "the page is committed, the next is not begun"},
		{FinalAfterRead, role, false, "the books balance, the campaign is not closed"},
		{FinalBeforeCommit, role, false, "the campaign is closed, uncommitted"},
		{FinalAfterCommit, role, true, "the close is committed, the activity not completed"},
		{FailAfterCommit, role, true, "the campaign's failure is committed, the activity not completed"},
	}
}

func vendor() []Point {
	const role = roleVendor
	return []Point{
		{VendorBeforeLedger, role, false, "a request was read, nothing is decided"},
		{VendorBeforeCommit, role, false, "decisions are in the ledger, uncommitted"},
		{VendorAfterLedger, role, false, "they are on disk, the sender has no answer"},
		{VendorBeforePost, role, false, "receipts are due and not yet posted"},
		{VendorAfterPost, role, true, "the receiver has them, which is not noted"},
		{VendorAfterNote, role, false, "it is noted"},
	}
}

// engine are the calls to Temporal: each is passed when the call was carried out.
func engine() []Point {
	return []Point{
		{TemporalStart, roleAPI, true, "a workflow is started; the relay's starter passes it too"},
		{TemporalSignal, roleConsumer, true, "a workflow is signalled"},
		{TemporalUpdate, roleAPI, true, "a workflow is updated"},
		{TemporalComplete, roleWorker, true, "an activity's completion is taken"},
		{TemporalWorkflowComplete, roleWorker, true, "a workflow task's completion is taken"},
	}
}
