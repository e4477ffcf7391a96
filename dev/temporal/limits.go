package main

import (
	"encoding/json"
	"io"
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// unlimited stands for "no rate limit that this machine could reach": two cores carry about a
// thousand activities a second, each of them some ten calls between the services.
const unlimited = 100_000

// limits returns the settings in which this server differs from the defaults. The defaults protect
// a shared cluster from its tenants; here there is one tenant, and they would cap it near 300 sends
// a second.
func limits() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// Request limits of each service, then of their use of the database. The default of
		// matching.rps, 1,200, is the one that plain (not eager) activities meet first.
		dynamicconfig.FrontendRPS.Key():                        unlimited,
		dynamicconfig.FrontendMaxNamespaceRPSPerInstance.Key(): unlimited,
		dynamicconfig.MatchingRPS.Key():                        unlimited,
		dynamicconfig.HistoryRPS.Key():                         unlimited,
		dynamicconfig.FrontendPersistenceMaxQPS.Key():          unlimited,
		dynamicconfig.MatchingPersistenceMaxQPS.Key():          unlimited,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():           unlimited,
		dynamicconfig.WorkerPersistenceMaxQPS.Key():            unlimited,

		// Visibility has a limit of 10 a second and is what the console, the Web UI and the tests
		// list workflows with; 500 leaves SQLite most of its time for the histories.
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 500,

		// The send lanes rely on eager dispatch: it more than doubles the rate. It is the default,
		// written down because a server without it looks broken rather than slow.
		dynamicconfig.EnableActivityEagerExecution.Key(): true,

		// Pause, resume, cancel and set_rate are Updates. 10 in flight is the default and plenty;
		// the total is per run, and a run that continues as new starts again at zero.
		dynamicconfig.FrontendEnableUpdateWorkflowExecution.Key(): true,

		// One partition: with one node there is nothing to spread over, a task queue's rate limit
		// is divided by the number of partitions, and a poll never waits at an empty one.
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,

		// Priority by campaign type and fairness by campaign, used when a vendor-wide rate is set.
		dynamicconfig.MatchingUseNewMatcher.Key():  true,
		dynamicconfig.MatchingEnableFairness.Key(): true,

		// All history of one machine fits in its memory; 8,000 workflows stay cached instead of
		// being read again from SQLite.
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key(): 8_000,

		// SQLite finds the next timers by reading past all that have fired and are not yet deleted, which
		// happens at this interval. With the default of 30 s, and half a thousand a second, that takes a fifth
		// of a core.
		dynamicconfig.TimerProcessorUpdateAckInterval.Key(): 2 * time.Second,

		// Every activity leaves a timer for its timeout, so that as many fire a second as there are activities. The
		// defaults, batches of 100 and 3 batches that end in the same second, take more than 300 a second for a
		// reader that is stuck: the rest of that second goes to a second reader, which was half a minute late,
		// and until it is done nothing that fired later is deleted, which is what the setting above is for. A batch
		// now holds a second's timers, and 100 batches of one second take the reader five (it reads 20 times a second).
		dynamicconfig.TimerTaskBatchSize.Key():               1_000,
		dynamicconfig.QueueReaderStuckCriticalAttempts.Key(): 100,

		// Nothing leaves this machine: no look at whether a newer server exists.
		dynamicconfig.EnableServerVersionCheck.Key(): false,
	}
}

// printSettings writes the settings as one JSON object by their names, for whoever wants to say under which a figure
// was measured.
func printSettings(w io.Writer) error {
	shown := map[string]any{}
	for name, value := range limits() {
		if d, ok := value.(time.Duration); ok {
			value = d.String()
		}
		shown[name.String()] = value
	}
	return json.NewEncoder(w).Encode(shown)
}
