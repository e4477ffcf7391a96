package activities

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestPagesOfACampaignAskInTurns(t *testing.T) {
	t.Parallel()
	var beats pageBeats
	start := time.Unix(1_800_000_000, 0)
	id := uuid.New()
	const pages = 16
	members := make([]*groupMember, pages)
	beaten := make([]time.Time, pages)
	for i := range members {
		members[i] = beats.join(id, start, func() {})
		beaten[i] = start
	}
	asked, all := start, 0
	// Each page looks every PageBeat, the pages one after the other.
	for tick := range 20 * pages {
		now := start.Add(PageBeat + time.Duration(tick)*PageBeat/pages)
		i := tick % pages
		if !members[i].isDue(now) {
			require.Less(t, now.Sub(beaten[i]), beatEvery+PageBeat, "page %d is not heard of", i)
			continue
		}
		require.LessOrEqual(t, now.Sub(asked), PageBeat+PageBeat/pages, "nobody asks")
		asked, beaten[i] = now, now
		all++
	}
	// Ten seconds: by themselves they would have beaten 320 times.
	require.LessOrEqual(t, all, 100)

	alone := beats.join(uuid.New(), start, func() {})
	for tick := range 10 {
		require.True(t, alone.isDue(start.Add(time.Duration(tick)*(PageBeat-time.Millisecond))), "tick %d", tick)
	}
}

func TestAPageThatIsToldToStopTellsThoseOfItsCampaign(t *testing.T) {
	t.Parallel()
	var beats pageBeats
	now := time.Unix(1_800_000_000, 0)
	join := func(id uuid.UUID) (context.Context, *groupMember) {
		ctx, stop := context.WithCancel(t.Context())
		t.Cleanup(stop)
		return ctx, beats.join(id, now, stop)
	}
	id := uuid.New()
	_, told := join(id)
	same, _ := join(id)
	gone, left := join(id)
	other, _ := join(uuid.New())
	left.leave()

	told.stopAll()

	require.Error(t, same.Err())
	require.NoError(t, gone.Err(), "it has left")
	require.NoError(t, other.Err(), "another campaign's")
	_, next := join(id)
	later, _ := join(id)
	require.NoError(t, later.Err(), "those that come later are not told")
	next.leave()
}

func TestNothingIsKeptOfCampaignsWithoutPages(t *testing.T) {
	t.Parallel()
	var beats pageBeats
	a := beats.join(uuid.New(), time.Now(), func() {})
	b := beats.join(uuid.New(), time.Now(), func() {})
	a.leave()
	b.leave()
	require.Empty(t, beats.groups)
}
