package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/xencrm/xencrm/internal/event"
)

// publish puts one message on the broker past every proxy, with a confirm.
func (w *world) publish(ctx context.Context, key, id string, body []byte) error {
	return poll(ctx, func() (bool, error) {
		err := w.tryPublish(ctx, key, id, body)
		if ctx.Err() != nil {
			return false, err
		}
		return err == nil, nil // the broker may be what is down
	})
}

func (w *world) tryPublish(ctx context.Context, key, id string, body []byte) error {
	conn, err := amqp.Dial(w.business.RabbitURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the confirm has told what counts
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	sent, err := ch.PublishWithDeferredConfirmWithContext(ctx, event.ExchangeIngestion, key, true, false, amqp.Publishing{
		DeliveryMode: amqp.Persistent, MessageId: id, Timestamp: time.Now(), ContentType: "application/json", Body: body,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	if ok, err := sent.WaitContext(ctx); err != nil || !ok {
		return fmt.Errorf("not confirmed: %w", err)
	}
	return nil
}

// poison has the form of an order and is none.
const poison = `{"eventType":"order_data_received","data":[]}`

// publishPoison publishes an order that can never be processed, and counts it as explained.
func (w *world) publishPoison(ctx context.Context, id string) error {
	w.quarantined++
	return w.publish(ctx, event.KeyOrder, "poison-"+id, []byte(poison))
}

// publishEarlyOrder publishes an order whose customer is not there yet, as a shop does that writes to
// the queue itself. A pending order makes nobody part of the audience.
func (w *world) publishEarlyOrder(ctx context.Context, id, email string) error {
	order, err := json.Marshal(map[string]any{
		"customer_email": email, "order_amount": 9.5, "order_status": "PENDING", "external_id": id, "order_source": source,
	})
	if err != nil {
		return err
	}
	body, err := json.Marshal(event.Envelope{
		EventType: event.TypeOrderReceived, SchemaVersion: event.SchemaVersion, Timestamp: time.Now(), Source: event.SourceOrderAPI, Data: order,
	})
	if err != nil {
		return err
	}
	if err := w.publish(ctx, event.KeyOrder, id, body); err != nil {
		return err
	}
	now := time.Now()
	return w.client.note(&op{
		Round: id, Kind: "order", Key: id, Method: "PUBLISH", Path: event.QueueOrders, Body: order,
		Began: now, Ended: now, Tries: 1, Outcome: acknowledged,
	})
}

// manage calls the broker's management API.
func (w *world) manage(ctx context.Context, method, path string, body, out any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, w.business.RabbitManagementURL+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// queueNames are the queues that we read from.
func queueNames() []string {
	return []string{event.QueueCustomers, event.QueueOrders, event.QueueCustomersMV, event.QueueReceipts}
}

// attended waits until every queue that we read from has its consumer back, by the broker's figures.
func (w *world) attended(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		var queues []struct {
			Name      string `json:"name"`
			Consumers int    `json:"consumers"`
		}
		if w.manage(ctx, http.MethodGet, "/api/queues", nil, &queues) != nil {
			return false, ctx.Err()
		}
		ours := 0
		for _, q := range queues {
			if slices.Contains(queueNames(), q.Name) && q.Consumers > 0 {
				ours++
			}
		}
		return ours == len(queueNames()), nil
	})
}

// closeConnections has the broker close every connection, and gives how many there were.
func (w *world) closeConnections(ctx context.Context) (int, error) {
	var open []struct {
		Name string `json:"name"`
	}
	if err := w.manage(ctx, http.MethodGet, "/api/connections", nil, &open); err != nil {
		return 0, err
	}
	closed := 0
	for _, c := range open {
		// One that is gone by now needs no closing.
		if w.manage(ctx, http.MethodDelete, "/api/connections/"+url.PathEscape(c.Name), nil, nil) == nil {
			closed++
		}
	}
	return closed, nil
}

// vendorFaults sets what goes wrong at the vendor; nothing that is not named does.
func (w *world) vendorFaults(ctx context.Context, faults map[string]any) error {
	raw, err := json.Marshal(faults)
	if err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, w.vendor+"/admin/faults", bytes.NewReader(raw))
		if err != nil {
			return false, err
		}
		req.Header.Set("Content-Type", "application/json")
		client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(req)
		if err != nil {
			return false, ctx.Err() // it may be what is down
		}
		_ = res.Body.Close() // the status is all that is read
		if res.StatusCode >= http.StatusInternalServerError || res.StatusCode < http.StatusBadRequest {
			return res.StatusCode < http.StatusMultipleChoices, nil
		}
		return false, fmt.Errorf("the vendor refuses the faults: %s", res.Status)
	})
}
