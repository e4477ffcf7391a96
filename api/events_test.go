package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// These tests run the server that production runs, with its own deadlines, on a clock that jumps: its
// connections are pipes, so everything waits inside of the bubble.

// pipes is a listener whose connections are made by dial.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// stage is one campaign that is watched.
type stage struct {
	*bundle

	listener *pipes
	server   *http.Server

	mu    sync.Mutex
	now   campaign.Campaign
	err   error
	reads int
}

// onStage serves the API within a bubble.
func onStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{bundle: setup(t), listener: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}}
	s.now = aCampaign()
	s.now.Status = campaign.Active
	s.campaigns.get = func(context.Context, uuid.UUID) (campaign.Campaign, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reads++
		return s.now, s.err
	}
	s.server = api.NewServer("", s.handler)
	done := make(chan error)
	go func() { done <- s.server.Serve(s.listener) }()
	t.Cleanup(func() {
		require.NoError(t, s.server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return s
}

// becomes changes the campaign.
func (s *stage) becomes(status campaign.Status, revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := *s.now.Stats
	stats.Revision = revision
	s.now.Status, s.now.Stats = status, &stats
}

func (s *stage) readings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// heard is one event, or a comment.
type heard struct {
	id, name, data, comment string
	at                      time.Time
}

// audience is a client that reads a stream.
type audience struct {
	conn   net.Conn
	status int
	header http.Header
	body   *bufio.Reader
}

func (s *stage) follow(t *testing.T, headers ...string) *audience {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() }) // some tests have closed it already
	s.listener.conns <- theirs
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/api/campaigns/"+campaignID.String()+"/events", nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	require.NoError(t, req.Write(ours))
	res, err := http.ReadResponse(bufio.NewReader(ours), req) //nolint:bodyclose // closing the pipe ends it
	require.NoError(t, err)
	return &audience{conn: ours, status: res.StatusCode, header: res.Header, body: bufio.NewReader(res.Body)}
}

// next reads one event; io.EOF is the end of the stream.
func (a *audience) next(t *testing.T) (heard, error) {
	t.Helper()
	var e heard
	for {
		line, err := a.body.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "":
			if line != "\n" {
				e.comment = value
				continue
			}
			e.at = time.Now()
			return e, nil
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		}
	}
}

// expect reads the next event that is not the opening one.
func (a *audience) expect(t *testing.T, id, name string) heard {
	t.Helper()
	for {
		e, err := a.next(t)
		require.NoError(t, err)
		if e.name == "" && e.comment == "" {
			continue
		}
		require.Equal(t, id, e.id, e)
		require.Equal(t, name, e.name, e)
		return e
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()

	t.Run("TellHowTheCampaignGoesOnUntilItEnds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			a := s.follow(t)
			require.Equal(t, http.StatusOK, a.status)
			require.Equal(t, "text/event-stream", a.header.Get("Content-Type"))
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
			var data struct {
				CampaignID   string         `json:"campaign_id"`
				Status       string         `json:"status"`
				Revision     int64          `json:"revision"`
				DeliveryRate string         `json:"delivery_rate"`
				Totals       map[string]int `json:"totals"`
			}
			require.NoError(t, json.Unmarshal([]byte(a.expect(t, "9", "progress").data), &data))
			require.Equal(t, campaignID.String(), data.CampaignID)
			require.Equal(t, "ACTIVE", data.Status)
			require.Equal(t, int64(9), data.Revision)
			require.Equal(t, 40, data.Totals["audience"])
			require.Equal(t, 35, data.Totals["delivered"])
			require.Equal(t, "92.11", data.DeliveryRate)

			s.becomes(campaign.Active, 10)
			a.expect(t, "10", "progress")
			s.becomes(campaign.Paused, 10)
			require.Contains(t, a.expect(t, "10", "progress").data, `"status":"PAUSED"`)
			s.becomes(campaign.Completed, 12)
			a.expect(t, "12", "progress")
			require.Contains(t, a.expect(t, "", "end").data, `"status":"COMPLETED"`)
			_, err := a.next(t)
			require.ErrorIs(t, err, io.EOF)
		})
	})

	t.Run("EndAtOnceForAnEndedCampaign", func(t *testing.T) {
		t.Parallel()
		for _, status := range []campaign.Status{campaign.Completed, campaign.Cancelled, campaign.Failed} {
			synctest.Test(t, func(t *testing.T) {
				s := onStage(t)
				s.becomes(status, 9)
				a := s.follow(t, "Last-Event-ID", "9")
				a.expect(t, "9", "progress")
				a.expect(t, "", "end")
				_, err := a.next(t)
				require.ErrorIs(t, err, io.EOF)
			})
		}
	})

	t.Run("ComeOnceASecondAtMostAndTellTheLatest", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			a := s.follow(t)
			last := a.expect(t, "9", "progress")
			time.Sleep(900 * time.Millisecond)
			late := s.follow(t) // its rhythm is another than that of the readings
			first := late.expect(t, "9", "progress")
			s.becomes(campaign.Active, 10)
			require.GreaterOrEqual(t, a.expect(t, "10", "progress").at.Sub(last.at), time.Second)
			require.GreaterOrEqual(t, late.expect(t, "10", "progress").at.Sub(first.at), time.Second)
			for revision := int64(11); revision < 20; revision++ {
				s.becomes(campaign.Active, revision)
				time.Sleep(10 * time.Millisecond)
			}
			a.expect(t, "19", "progress")
		})
	})

	t.Run("ResumeWithoutRepeating", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			a := s.follow(t, "Last-Event-ID", "9")
			s.becomes(campaign.Active, 10)
			a.expect(t, "10", "progress")
			b := s.follow(t, "Last-Event-ID", "9")
			b.expect(t, "10", "progress")
			c := s.follow(t, "Last-Event-ID", "not one of ours")
			c.expect(t, "10", "progress")
		})
	})

	t.Run("ResumeWithAStatusThatMayBeNews", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			s.becomes(campaign.Paused, 9)
			a := s.follow(t, "Last-Event-ID", "9")
			require.Contains(t, a.expect(t, "9", "progress").data, `"status":"PAUSED"`)
		})
	})

	t.Run("OfACampaignThatIsNotThereAreNotFound", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			s.err = errs.Errorf(errs.NotFound, "Campaign not found")
			a := s.follow(t)
			require.Equal(t, http.StatusNotFound, a.status)
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		})
	})
}

func TestStreamsLive(t *testing.T) {
	t.Parallel()

	t.Run("LongerThanTheServersDeadlinesWithAHeartbeat", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			a := s.follow(t)
			last := a.expect(t, "9", "progress")
			start := last.at
			for last.at.Sub(start) < 3*api.WriteTimeout {
				e, err := a.next(t)
				require.NoError(t, err)
				require.Equal(t, "nothing new", e.comment)
				require.LessOrEqual(t, e.at.Sub(last.at), 15*time.Second)
				last = e
			}
			s.becomes(campaign.Active, 10)
			a.expect(t, "10", "progress")
		})
	})

	t.Run("ThroughAnOutageOfTheDatabase", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			a := s.follow(t)
			a.expect(t, "9", "progress")
			s.fails(errors.New("the database is away"))
			time.Sleep(10 * time.Second)
			s.fails(nil)
			s.becomes(campaign.Active, 10)
			a.expect(t, "10", "progress")
			require.Equal(t, 1, strings.Count(s.logs.String(), "watched campaign cannot be read"))
		})
	})

	t.Run("OffOneReadingASecondHoweverManyThereAre", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			for range 50 {
				a := s.follow(t)
				go func() { _, _ = io.Copy(io.Discard, a.body) }() // it ends with its connection
			}
			before := s.readings()
			require.Equal(t, 1, before) // the first of them; the others joined it
			time.Sleep(10*time.Second + time.Millisecond)
			require.Equal(t, 10, s.readings()-before)
		})
	})

	t.Run("NoLongerThanTheirLastViewer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			a := s.follow(t)
			a.expect(t, "9", "progress")
			require.NoError(t, a.conn.Close())
			synctest.Wait()
			before := s.readings()
			time.Sleep(time.Minute)
			require.Equal(t, before, s.readings())
		})
	})

	t.Run("ForAQuarterOfAnHourSoThatAccessIsAskedForAgain", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			a := s.follow(t)
			start := a.expect(t, "9", "progress").at
			for {
				e, err := a.next(t)
				if err != nil {
					require.ErrorIs(t, err, io.EOF)
					break
				}
				require.Equal(t, "nothing new", e.comment)
			}
			require.Equal(t, 15*time.Minute, time.Since(start))
		})
	})

	t.Run("UntilTheServerStops", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			a := s.follow(t)
			a.expect(t, "9", "progress")
			stopped := make(chan error)
			go func() { stopped <- s.server.Shutdown(t.Context()) }()
			_, err := a.next(t)
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, <-stopped)
		})
	})
}

func TestPlacesOfStreams(t *testing.T) {
	t.Parallel()
	const places = 200

	t.Run("AreBoundedAndGivenBackWhenAClientVanishes", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			all := make([]*audience, places)
			for i := range all {
				all[i] = s.follow(t)
				all[i].expect(t, "9", "progress")
			}
			refused := s.follow(t)
			require.Equal(t, http.StatusServiceUnavailable, refused.status)
			require.Equal(t, "5", refused.header.Get("Retry-After"))
			require.NoError(t, all[0].conn.Close())
			synctest.Wait()
			again := s.follow(t)
			require.Equal(t, http.StatusOK, again.status)
		})
	})

	t.Run("AreGivenBackWhenAClientDoesNotRead", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			for range places {
				a := s.follow(t) // reads the headers, and never an event
				require.Equal(t, http.StatusOK, a.status)
			}
			time.Sleep(time.Minute)
			a := s.follow(t)
			require.Equal(t, http.StatusOK, a.status)
			a.expect(t, "9", "progress")
		})
	})

	t.Run("AreNotLostToCampaignsThatAreNotThere", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := onStage(t)
			s.fails(errs.Errorf(errs.NotFound, "Campaign not found"))
			for range places + 1 {
				a := s.follow(t)
				require.Equal(t, http.StatusNotFound, a.status)
				require.NoError(t, a.conn.Close())
			}
			s.fails(nil)
			a := s.follow(t)
			require.Equal(t, http.StatusOK, a.status)
		})
	})
}

func (s *stage) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}
