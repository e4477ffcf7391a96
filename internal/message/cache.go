package message

import (
	"container/list"
	"sync"
)

// Cache keeps the templates used last, for callers that meet the same source again and again. It
// is safe for concurrent use. Templates that are not valid are not kept.
type Cache struct {
	mu      sync.Mutex
	limit   int
	entries map[string]cacheEntry
	// recent has the sources, the one used last at its front.
	recent *list.List
}

type cacheEntry struct {
	template *Template
	place    *list.Element
}

// NewCache makes a cache for at most limit templates; it holds at least one.
func NewCache(limit int) *Cache {
	return &Cache{limit: max(limit, 1), entries: map[string]cacheEntry{}, recent: list.New()}
}

// Parse is the function Parse, remembered. Two callers may parse the same source at once; either
// result serves.
func (c *Cache) Parse(source string) (*Template, error) {
	if template := c.get(source); template != nil {
		return template, nil
	}
	template, err := Parse(source)
	if err != nil {
		return nil, err
	}
	c.put(source, template)
	return template, nil
}

func (c *Cache) get(source string) *Template {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, found := c.entries[source]
	if !found {
		return nil
	}
	c.recent.MoveToFront(entry.place)
	return entry.template
}

func (c *Cache) put(source string, template *Template) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, found := c.entries[source]; found {
		return
	}
	c.entries[source] = cacheEntry{template: template, place: c.recent.PushFront(source)}
	if c.recent.Len() <= c.limit {
		return
	}
	if oldest, ok := c.recent.Remove(c.recent.Back()).(string); ok {
		delete(c.entries, oldest)
	}
}
