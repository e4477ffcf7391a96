package activities

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
)

// beatEvery is a fifth of the heartbeat timeout that the workflow asks for: four may be late.
const beatEvery = 2 * time.Second

// beat tells Temporal that the activity lives, with how far it is, until the function that it gives is
// called: one statement over a million rows takes longer than a lost worker may go unnoticed.
func beat(ctx context.Context, progress func() int64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(beatEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx, progress())
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// pageBeats lets the pages of a campaign in this process hear together that they are to stop: a pause, a
// cancel or a slower rate stops all of them, and a beat, which is a change of the workflow's state in Temporal,
// is the only way to hear of it. So one of them asks every PageBeat, and the others only say that they live.
// A page that stops for another's sake loses nothing: its rest is sent later, as after any stop.
type pageBeats struct {
	mu     sync.Mutex
	groups map[uuid.UUID]*beatGroup
}

type beatGroup struct {
	// asked is when one of them last beat.
	asked   time.Time
	members map[*groupMember]struct{}
}

// groupMember is one page.
type groupMember struct {
	beats      *pageBeats
	campaignID uuid.UUID
	stop       context.CancelFunc
	beaten     time.Time
}

// join adds a page, which stop tells to stop; it must leave.
func (b *pageBeats) join(campaignID uuid.UUID, now time.Time, stop context.CancelFunc) *groupMember {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.groups == nil {
		b.groups = map[uuid.UUID]*beatGroup{}
	}
	g := b.groups[campaignID]
	if g == nil {
		g = &beatGroup{members: map[*groupMember]struct{}{}}
		b.groups[campaignID] = g
	}
	// Its dispatch was word of it.
	m := &groupMember{beats: b, campaignID: campaignID, stop: stop, beaten: now}
	g.members[m] = struct{}{}
	return m
}

func (m *groupMember) leave() {
	m.beats.mu.Lock()
	defer m.beats.mu.Unlock()
	g := m.beats.groups[m.campaignID]
	delete(g.members, m)
	if len(g.members) == 0 {
		delete(m.beats.groups, m.campaignID)
	}
}

// isDue reports whether the page is to beat now, which it then must: it looks every PageBeat.
func (m *groupMember) isDue(now time.Time) bool {
	m.beats.mu.Lock()
	defer m.beats.mu.Unlock()
	g := m.beats.groups[m.campaignID]
	// A ticker may be early by as much; without the tolerance a page by itself would ask every other time.
	const early = PageBeat / 10
	if now.Sub(g.asked) < PageBeat-early && now.Sub(m.beaten) < beatEvery-early {
		return false
	}
	g.asked, m.beaten = now, now
	return true
}

// stopAll passes on that the page is to stop.
func (m *groupMember) stopAll() {
	m.beats.mu.Lock()
	defer m.beats.mu.Unlock()
	for other := range m.beats.groups[m.campaignID].members {
		other.stop()
	}
}

// noProgress is of an activity that is one statement.
func noProgress() int64 { return 0 }
