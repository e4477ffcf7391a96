package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/activities"
)

const (
	// inlineLimit is up to where one lane runs inside the campaign's own workflow: at 3.1 events a
	// send it stays under 2,000 events, and the Web UI shows every customer in one place.
	inlineLimit = 500
	// laneWindow is how many sends of one lane are in flight: the server force-fails a workflow task
	// that has more than 50 completions buffered, so five are left for signals and timers.
	laneWindow = 45
	// minLanes and maxLanes bound the children. Four to eight lanes saturate two cores when the vendor
	// answers at once; sixteen keep 720 messages in flight when it takes half a second.
	minLanes, maxLanes = 2, 16
	// perLane is the audience for which another lane is opened. At 3.1 events a send, a lane of up to 960
	// never continues as new, and ten thousand recipients fill all sixteen lanes with one run each.
	perLane = 600
	// pageWindow is how many pages of a lane are in flight: while one waits for its last answers and
	// for its dispatch, the other sends.
	pageWindow = 2
	// maxPagedLanes times pageWindow pages of 45 posts are 720 messages in flight, as many as lanes have.
	maxPagedLanes = 8
	// pagesPerLane is for how many pages another paged lane is opened: two windows full.
	pagesPerLane = 4
	// pageTime is how long a page with a rate sends: a faster rate waits for the next page, and one
	// dispatch in ten seconds of sends costs nothing.
	pageTime = 10 * time.Second
	// retryBacklog is for how many messages that need another attempt a lane starts no new page: with
	// a vendor that is away, a lane of a million does not become a list of a million.
	retryBacklog = 500
	// retrySlack is how much later the timer for a further attempt is while sends are in flight: the vendor has 5 s
	// to answer each, and the first answer wakes the lane. It saves a timer a second.
	retrySlack = 5 * time.Second
	// historyBudget is where a run ends and continues as new. Draining a window adds at most 150 events,
	// so every run stays well below 5,000.
	historyBudget = 3000
	// sparsePage is how many pending messages a sparse lane asks for at a time: some 3 KB of history.
	sparsePage = 500
	// sendPasses bounds how often messages that are still pending after their lanes ended (one was
	// terminated by an operator) are tried again before the books refuse to close.
	sendPasses = 3
	// maxBurst is the part of a second of sends that a paced lane may catch up after a delay: with it
	// the rate over any ten seconds stays within five percent.
	maxBurst = 500 * time.Millisecond
	// laneStart is how long after the decision to start them the lanes of a campaign with a rate begin: 16 children are
	// there within a second on a busy machine. Beginning as they come they also ended as they came, and the rate of
	// the last ten seconds was up to eight percent low.
	laneStart = time.Second
	// paceTick is the shortest pacing timer: four a second cost 20 events a second at most. Temporal may
	// fire it a second late, and what is planned ahead lasts longer than both together.
	paceTick = 250 * time.Millisecond
	// firstReread and lastReread pace the timer that reads the totals again in case signals were lost:
	// soon at first, then doubling, so that three days of waiting cost some 200 timers.
	firstReread, lastReread = 15 * time.Second, 30 * time.Minute
)

// sendOptions are those of one SendMessage. There is no limit to the number of Temporal's attempts:
// the vendor's answers are counted in the ledger, and the send deadline bounds the rest.
func sendOptions(r Retry) workflow.ActivityOptions {
	summary := fmt.Sprintf("message %d", r.Seq)
	if r.Attempts > 0 {
		summary += fmt.Sprintf(", attempt %d", r.Attempts+1)
	}
	return workflow.ActivityOptions{
		// The vendor has 5 s to answer and the ledger some more to take it down, after a turn of 1.5 s with a
		// rate. A try that ends late is repeated under its key.
		StartToCloseTimeout: 15 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			// The activity says itself when to come back; this serves crashes and lost workers.
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute,
			NonRetryableErrorTypes: []string{activities.ErrRefused},
		},
		// A cancelled campaign lets the posts that are under way finish and be counted.
		WaitForCancellation: true,
		Summary:             summary,
	}
}

// lostAfter is how long a worker that died goes unnoticed by an activity that may run for minutes. The
// activities say every two seconds that they live.
const lostAfter = 10 * time.Second

// audienceOptions and ledgerOptions are those of activities that go through the whole ledger.
func audienceOptions() workflow.ActivityOptions {
	// A million customers take under a minute; this is for a database that is far slower.
	return longOptions("resolve the audience and render its messages", 30*time.Minute)
}

func ledgerOptions(summary string) workflow.ActivityOptions {
	// Closing counts the whole ledger in one statement: a second per million rows.
	return longOptions(summary, 10*time.Minute)
}

func longOptions(summary string, longest time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: longest, HeartbeatTimeout: lostAfter, RetryPolicy: patient(), Summary: summary,
		Priority: first(),
	}
}

// bookOptions are those of activities that read or write a row or a page. Somebody may wait for them: the
// answer to "pause" comes when the status is stored, so a lost worker is noticed as soon as may be.
func bookOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		// One statement of milliseconds; a database that takes longer is asked again.
		StartToCloseTimeout: lostAfter,
		RetryPolicy:         patient(),
		Summary:             summary,
		Priority:            first(),
	}
}

// first lets the books of a campaign overtake the sends that wait for the vendor's rate.
func first() temporal.Priority { return temporal.Priority{PriorityKey: 1} }

// patient retries for ever: a database that is away comes back, and no campaign fails for it.
func patient() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
		NonRetryableErrorTypes: []string{activities.ErrRefused, activities.ErrUnbalanced},
	}
}

func laneOptions(in CampaignInput, lane int, r Range) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID: LaneWorkflowID(in.CampaignID, in.Round, lane),
		// An operator who terminates a campaign stops its sends with it.
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_TERMINATE,
		StaticSummary:     fmt.Sprintf("messages %d to %d", r.First, r.Last),
	}
}

// pageOptions are those of one SendPage, which runs on a queue of its own.
func pageOptions(ctx workflow.Context, r Range) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue: PagesQueue(workflow.GetInfo(ctx).TaskQueueName),
		// 500 posts, 45 at a time, of 5 s each to a vendor that hangs take a minute; pages that wait
		// for connections which other pages hold take several.
		StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout:    lostAfter,
		RetryPolicy:         patient(),
		// A page that is told to stop finishes what is in flight and says where it stopped.
		WaitForCancellation: true,
		Summary:             fmt.Sprintf("first attempt of messages %d to %d", r.First, r.Last),
	}
}

// split cuts 1..n into as many ranges as there shall be lanes.
func split(n, pageSize int) []Range {
	lanes := min(max(n/perLane, minLanes), maxLanes)
	if pageSize > 0 {
		lanes = min(max(n/(pagesPerLane*pageSize), minLanes), maxPagedLanes)
	}
	ranges := make([]Range, 0, lanes)
	for i := range lanes {
		ranges = append(ranges, Range{First: i*n/lanes + 1, Last: (i + 1) * n / lanes})
	}
	return ranges
}

// isFull reports whether the run has to end and continue as new.
func isFull(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetCurrentHistoryLength() > historyBudget || info.GetContinueAsNewSuggested()
}
