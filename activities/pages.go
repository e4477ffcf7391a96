package activities

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/xencrm/xencrm/internal/campaign"
)

const (
	// pageSize is how many messages a miss loads: a lane's window of 45 crosses a page every 128
	// sends, so reading costs one query in a hundred sends.
	pageSize = 128
	// maxCached bounds the memory of the messages that are kept, in bytes: pages of messages of a few
	// hundred bytes for 16 lanes of some 30 campaigns at once, fewer where messages are long.
	maxCached = 32 << 20
	// rowBytes is what a message takes beside its text: ids, address, name, and the map that holds it.
	rowBytes = 400
	// pageLife bounds how long an unsubscription or an erasure may stay unseen by a page that is being
	// sent. A lane at full speed is through a page in less; a paced one pays a query of some
	// milliseconds every so often.
	pageLife = 2 * time.Second
)

// pageCache keeps the pages of messages that this worker's lanes are sending, least recently used
// out first. It is a cache of rows that nobody else changes before their first send; anything that
// is tried a second time is read again (see Activities.SendMessage).
type pageCache struct {
	store  MessageStore
	now    func() time.Time
	flight singleflight.Group

	mu    sync.Mutex
	pages map[pageKey]*list.Element
	order *list.List
	bytes int
}

type pageKey struct {
	campaignID uuid.UUID
	page       int
}

type page struct {
	key      pageKey
	loadedAt time.Time
	shared   campaign.SendContext
	messages map[int]campaign.Message
	bytes    int
}

func newPageCache(store MessageStore, now func() time.Time) *pageCache {
	return &pageCache{store: store, now: now, pages: map[pageKey]*list.Element{}, order: list.New()}
}

// message gives one message, loading its page when it is not here. Many sends that miss the same
// page wait for one query.
func (c *pageCache) message(ctx context.Context, campaignID uuid.UUID, seq int) (campaign.SendContext, campaign.Message, bool, error) {
	key := pageKey{campaignID, (seq - 1) / pageSize}
	p := c.lookup(key)
	if p == nil {
		v, err, _ := c.flight.Do(fmt.Sprintf("%s/%d", key.campaignID, key.page), func() (any, error) {
			return c.load(ctx, key)
		})
		if err != nil {
			return campaign.SendContext{}, campaign.Message{}, false, err
		}
		p = v.(*page) //nolint:forcetypeassert // load gives nothing else
	}
	m, ok := p.messages[seq]
	return p.shared, m, ok, nil
}

func (c *pageCache) lookup(key pageKey) *page {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.pages[key]
	if !ok {
		return nil
	}
	p := el.Value.(*page) //nolint:forcetypeassert // the list holds nothing else
	if c.now().Sub(p.loadedAt) > pageLife {
		c.drop(el)
		return nil
	}
	c.order.MoveToFront(el)
	return p
}

func (c *pageCache) load(ctx context.Context, key pageKey) (*page, error) {
	first := key.page*pageSize + 1
	shared, messages, err := c.store.LoadMessages(ctx, key.campaignID, first, first+pageSize-1)
	if err != nil {
		return nil, err
	}
	p := &page{key: key, loadedAt: c.now(), shared: shared, messages: make(map[int]campaign.Message, len(messages))}
	for _, m := range messages {
		p.messages[m.Seq] = m
		p.bytes += rowBytes + len(m.Body)
	}
	c.keep(p)
	return p, nil
}

// keep adds a page and drops the least recently used ones that do not fit beside it.
func (c *pageCache) keep(p *page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.pages[p.key]; ok {
		c.drop(old)
	}
	c.pages[p.key] = c.order.PushFront(p)
	c.bytes += p.bytes
	for c.bytes > maxCached && c.order.Len() > 1 {
		c.drop(c.order.Back())
	}
}

// drop forgets a page; the caller holds the lock.
func (c *pageCache) drop(el *list.Element) {
	p := el.Value.(*page) //nolint:forcetypeassert // the list holds nothing else
	c.order.Remove(el)
	delete(c.pages, p.key)
	c.bytes -= p.bytes
}
