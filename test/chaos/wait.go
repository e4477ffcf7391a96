package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// look is the pause between two looks at anything: short against a round of seconds.
	look = 25 * time.Millisecond
	// patience bounds every wait of a round. The slowest recovery, a role that was stopped beyond its
	// timeouts, takes a quarter of it.
	patience = 2 * time.Minute
)

// errTooLong is the cause of a wait that was in vain.
var errTooLong = errors.New("waited in vain")

// poll looks until it holds. An error ends it; so does patience.
func poll(ctx context.Context, holds func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		ok, err := holds()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errTooLong
		}
		if err := pause(ctx, look); err != nil {
			return err
		}
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// get wants a 200.
func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close() // the status is all that is read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return nil
}

// twoPorts gives two free addresses on loopback.
func twoPorts() (string, string, error) {
	var found []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0") // a probe of our own loopback
		if err != nil {
			return "", "", err
		}
		defer func() { _ = l.Close() }() // nothing was said on it
		found = append(found, l.Addr().String())
	}
	return found[0], found[1], nil
}
