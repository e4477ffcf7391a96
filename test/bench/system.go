package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/xencrm/xencrm/internal/demo"
)

// bench is a running system and what the scenarios need of it.
type bench struct {
	system   *demo.System
	business *pgxpool.Pool
	temporal client.Client
	http     *http.Client
	yard     *yardstick
	// stopVendor ends the vendor that runs.
	stopVendor func()
	sizes
}

// Numbers of orders by which the segments of the scenarios tell their customers: everyone has at least
// those of its own scenario.
const (
	ordersAnybody = iota
	ordersPaged
	ordersEach
	ordersRated
	ordersThousand
	ordersHundred
)

// benchConns is how many connections the bench keeps to each server: its own clients are not to be
// what limits a scenario.
const benchConns = 64

func connect(ctx context.Context, system *demo.System, n sizes) (*bench, error) {
	b := &bench{system: system, sizes: n, yard: startYardstick(), http: &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{MaxIdleConns: benchConns, MaxIdleConnsPerHost: benchConns},
	}}
	cfg, err := pgxpool.ParseConfig(system.Stack.BusinessURL)
	if err == nil {
		cfg.MaxConns = benchConns / 2
		b.business, err = pgxpool.NewWithConfig(ctx, cfg)
	}
	if err == nil {
		b.temporal, err = client.Dial(client.Options{
			HostPort:          system.Stack.TemporalAddress,
			Logger:            log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
			ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}},
		})
	}
	if err != nil {
		b.close()
		return nil, err
	}
	if err := b.customers(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, b.startVendor(ctx, nil)
}

func (b *bench) close() {
	if b.temporal != nil {
		b.temporal.Close()
	}
	if b.business != nil {
		b.business.Close()
	}
	b.http.CloseIdleConnections()
	if b.stopVendor != nil {
		b.stopVendor()
	}
	b.system.Down()
}

// customers fills the projection directly: ingest is not what most scenarios measure. The first ones are
// told from the rest by their number of orders, so that each scenario has a segment of its size.
func (b *bench) customers(ctx context.Context) error {
	_, err := b.business.Exec(ctx, `INSERT INTO customers_mv
		(customer_id, version, name, email, total_spend, total_visits, total_orders, last_order_at, status)
		SELECT md5(i::text)::uuid, 1, 'Customer ' || i, 'c' || i || '@example.com', i % 9999, i % 50,
			CASE WHEN i <= 100 THEN $1 WHEN i <= 1000 THEN $2 WHEN i <= $3 THEN $4 WHEN i <= $5 THEN $6 WHEN i <= $7 THEN $8 ELSE 0 END,
			now() - i % 365 * interval '1 day', 'ACTIVE'
		FROM generate_series(1, $9::int) i`,
		ordersHundred, ordersThousand, heldRecipients, ordersRated, b.recipients, ordersEach, b.paged, ordersPaged, b.audienceN)
	if err == nil {
		_, err = b.business.Exec(ctx, "ANALYZE customers_mv")
	}
	return err
}

// segment saves rules and gives the segment's id.
func (b *bench) segment(ctx context.Context, rules []any) (string, error) {
	var made struct {
		Data struct {
			SegmentID string `json:"segment_id"`
		} `json:"data"`
	}
	err := b.send(ctx, http.MethodPost, b.system.API+"/api/segments", map[string]any{
		"name": "bench", "rules": []any{map[string]any{"id": "g", "operator": "AND", "rules": rules}},
	}, &made)
	return made.Data.SegmentID, err
}

func rule(field, operator string, value any) any {
	return map[string]any{"id": "r-" + field, "field": field, "operator": operator, "value": value}
}

// launch launches a campaign over everyone with at least so many orders.
func (b *bench) launch(ctx context.Context, orders int, fields map[string]any) (string, error) {
	segment, err := b.segment(ctx, []any{rule("total_orders", ">=", orders)})
	if err != nil {
		return "", err
	}
	var made struct {
		Data struct {
			CampaignID string `json:"campaign_id"`
		} `json:"data"`
	}
	body := map[string]any{
		"name": "bench", "segment_id": segment, "created_by": "bench",
		"message_template": "Hi {{ name }}, you have spent {{ total_spend }} with us",
	}
	maps.Copy(body, fields)
	err = b.send(ctx, http.MethodPost, b.system.API+"/api/campaigns", body, &made)
	return made.Data.CampaignID, err
}

// await polls until the interval is known and gives it.
func (b *bench) await(ctx context.Context, id, interval string, want int) (time.Duration, error) {
	query := "SELECT extract(epoch FROM " + interval + ")::float8, target_audience_count FROM campaigns WHERE campaign_id = $1"
	var seconds *float64
	var audience int
	err := b.until(ctx, seldom, func() (bool, error) {
		err := b.business.QueryRow(ctx, query, id).Scan(&seconds, &audience)
		return seconds != nil, err
	})
	if err != nil {
		return 0, err
	}
	if audience != want {
		return 0, fmt.Errorf("audience of %d, want %d", audience, want)
	}
	return time.Duration(*seconds * float64(time.Second)), nil
}

const (
	// often is fine against runs of seconds.
	often = 50 * time.Millisecond
	// seldom is for what the database times itself, and does not add to the commits that are counted.
	seldom = 250 * time.Millisecond
)

// until polls a condition.
func (b *bench) until(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// vendor changes some of the vendor's faults; all others are as before.
func (b *bench) vendor(ctx context.Context, faults map[string]any) error {
	return b.send(ctx, http.MethodPut, b.system.Vendor+"/admin/faults", faults, nil)
}

func (b *bench) send(ctx context.Context, method, url string, body, out any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: status %d: %s", method, url, res.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
