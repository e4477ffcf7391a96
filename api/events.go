package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/xencrm/xencrm/internal/campaign"
)

const (
	// heartbeat keeps proxies from closing a quiet stream; their usual patience is 30 to 60 seconds.
	heartbeat = 15 * time.Second
	// reconnect is how long a browser waits before it comes back, in milliseconds: after a restart of the
	// server, all of them do.
	reconnect = 3000
	// streamLife bounds a stream that has no other end. A browser comes back by itself and goes on where it
	// was, and whoever has lost the permission meanwhile is refused then.
	streamLife = 15 * time.Minute
)

// events tells how far a campaign is, as it goes on.
type events struct{ watches *watches }

// eventView is the data of one event.
type eventView struct {
	CampaignID   string `json:"campaign_id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Status       string `json:"status" doc:"DRAFT, SCHEDULED, ACTIVE (running), PAUSED, COMPLETED, CANCELLED or FAILED." example:"ACTIVE"`
	Revision     int64  `json:"revision" doc:"Rises with each change of the books; 0 while there are none." example:"42"`
	Totals       books  `json:"totals" doc:"Every recipient, accounted for."`
	DeliveryRate string `json:"delivery_rate" doc:"Delivered of sent in percent, an exact decimal." example:"92.31"`
}

type eventsInput struct {
	ID          string `path:"id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last event that was received, as browsers send it; what is no newer is not repeated." example:"42"`
}

func (e events) get(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	id, err := idOf(in.ID, "Campaign")
	if err != nil {
		return nil, err
	}
	v, err := e.watches.join(ctx, id)
	if err != nil {
		return nil, err
	}
	// An id that is not one of ours names nothing that was received.
	seen, err := strconv.ParseInt(in.LastEventID, 10, 64)
	if err != nil {
		seen = -1
	}
	return &huma.StreamResponse{Body: func(out huma.Context) { //nolint:contextcheck // out carries it
		defer v.leave()
		s := startStream(out, map[string]string{
			"Content-Type": "text/event-stream",
			// nginx would hold events back until it has a buffer full.
			"X-Accel-Buffering": "no",
		})
		follow(out.Context(), s, v, seen)
		_ = s.extend() // for the end of the body; a connection that is gone needs none
	}}, nil
}

// follow writes events until the campaign, the client, the server or its time ends. A write that fails means that
// the client has gone, which is no fault.
func follow(ctx context.Context, s *stream, v *viewer, seen int64) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	over := time.NewTimer(streamLife)
	defer over.Stop()
	piece := fmt.Appendf(nil, "retry: %d\n\n", reconnect)
	// The news are not looked at while pace runs: one event a second, which tells the latest.
	news, pace := v.news, (<-chan time.Time)(nil)
	var told snapshot
	for {
		if len(piece) > 0 && s.send(piece) != nil {
			return
		}
		piece = nil
		select {
		case <-ctx.Done():
			return
		case <-stopping(ctx):
			return
		case <-over.C:
			return
		case <-beat.C:
			piece = []byte(": nothing new\n\n")
		case <-pace:
			news, pace = v.news, nil
		case <-news:
			now := v.latest()
			if now == told {
				continue // It changed between the news and the look at it, so it was told already.
			}
			told = now
			if now.status.Ended() {
				_ = s.send(eventsOf(v, now, seen)) // the stream is over, whether or not anybody is there
				return
			}
			piece = eventsOf(v, now, seen)
			news, pace, seen = nil, time.After(watchPeriod), -1
		}
	}
}

// eventsOf writes what a snapshot tells to somebody who has seen a revision. Only a running campaign is
// kept quiet about: the books of any other may stand still while its status has changed.
func eventsOf(v *viewer, now snapshot, seen int64) []byte {
	data, err := json.Marshal(viewEvent(v, now))
	if err != nil {
		return nil // Not reached: the view holds nothing that JSON cannot express.
	}
	var out bytes.Buffer
	if known := now.totals.Revision <= seen && now.status == campaign.Active; !known {
		fmt.Fprintf(&out, "id: %d\nevent: progress\ndata: %s\n\n", now.totals.Revision, data)
	}
	if now.status.Ended() {
		fmt.Fprintf(&out, "event: end\ndata: %s\n\n", data)
	}
	return out.Bytes()
}

func viewEvent(v *viewer, now snapshot) eventView {
	return eventView{
		CampaignID: v.id.String(), Status: string(now.status), Revision: now.totals.Revision,
		Totals: viewBooks(now.totals), DeliveryRate: now.totals.DeliveryRate().String(),
	}
}
