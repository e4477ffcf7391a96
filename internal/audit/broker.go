package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	deadSuffix    = ".dead"
	brokerTimeout = 10 * time.Second
)

// ourQueues are the queues that the reference names; each has a dead-letter queue beside it.
func ourQueues() []string {
	return []string{"customer_ingestion_queue", "order_ingestion_queue", "customer_mv_queue", "message_response_queue"}
}

// broker reads RabbitMQ's management API.
type broker struct{ url, user, password, vhost string }

// newBroker takes user and password from the URL, as in http://user:password@host:15672.
func newBroker(management, vhost string) (*broker, error) {
	u, err := url.Parse(management)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("URL of RabbitMQ's management is not usable: want http://user:password@host:port")
	}
	b := &broker{vhost: vhost, user: u.User.Username()}
	b.password, _ = u.User.Password()
	u.User = nil
	b.url = strings.TrimSuffix(u.String(), "/")
	return b, nil
}

// queue is what the management says of one queue.
type queue struct {
	Name      string         `json:"name"`
	Type      string         `json:"type"`
	Durable   bool           `json:"durable"`
	Consumers int            `json:"consumers"`
	Ready     int            `json:"messages_ready"`
	Unacked   int            `json:"messages_unacknowledged"`
	Arguments map[string]any `json:"arguments"`
	// Policy is what an operator's policies add.
	Policy map[string]any `json:"-"`
	// RawPolicy is an empty list when there is none.
	RawPolicy json.RawMessage `json:"effective_policy_definition"`
}

// queues gives those of our names.
func (b *broker) queues(ctx context.Context) (map[string]queue, error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/api/queues/"+url.PathEscape(b.vhost), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask RabbitMQ: %w", err)
	}
	req.SetBasicAuth(b.user, b.password)
	// A connection of its own: nothing is left behind.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask RabbitMQ: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("RabbitMQ's management answers %s", res.Status)
	}
	var all []queue
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("read RabbitMQ's queues: %w", err)
	}
	out := map[string]queue{}
	for _, q := range all {
		if !slices.Contains(ourQueues(), strings.TrimSuffix(q.Name, deadSuffix)) {
			continue
		}
		if len(q.RawPolicy) > 0 && q.RawPolicy[0] == '{' {
			if err := json.Unmarshal(q.RawPolicy, &q.Policy); err != nil {
				return nil, fmt.Errorf("read RabbitMQ's policies: %w", err)
			}
		}
		out[q.Name] = q
	}
	return out, nil
}

// busy names the queues that still hold messages, dead-letter queues aside.
func busy(queues map[string]queue) []string {
	var out []string
	for _, name := range ourQueues() {
		if q := queues[name]; q.Ready+q.Unacked > 0 {
			out = append(out, fmt.Sprintf("queue %s: %d ready, %d unacknowledged", name, q.Ready, q.Unacked))
		}
	}
	return out
}

// judgeQueues looks at every queue's settings, consumers and dead letters.
func judgeQueues(f *findings, queues map[string]queue) {
	for _, name := range ourQueues() {
		for _, name := range []string{name, name + deadSuffix} {
			q, ok := queues[name]
			if !ok {
				f.add(settingsDurable, "queue %s does not exist", name)
				continue
			}
			for _, wrong := range q.faults() {
				f.add(settingsDurable, "queue %s %s", name, wrong)
			}
		}
		if q, ok := queues[name]; ok && q.Consumers == 0 {
			f.add(nothingLeaks, "queue %s has no consumer", name)
		}
		dead := queues[name+deadSuffix]
		for range dead.Ready + dead.Unacked {
			f.add(quarantineKnown, "dead letter in %s", name+deadSuffix)
		}
	}
}

// faults says what of the queue's settings could lose a message.
func (q queue) faults() []string {
	var out []string
	if !q.Durable || q.Type != "quorum" {
		out = append(out, "is not a durable quorum queue")
	}
	for _, key := range []string{"message-ttl", "expires", "max-length", "max-length-bytes"} {
		if _, ok := q.Arguments["x-"+key]; ok {
			out = append(out, "has the argument x-"+key)
		}
		if _, ok := q.Policy[key]; ok {
			out = append(out, "has a policy with "+key)
		}
	}
	if _, ok := q.Arguments["x-delivery-limit"]; !ok {
		out = append(out, "has no delivery limit of its own")
	}
	if strings.HasSuffix(q.Name, deadSuffix) {
		return out
	}
	for key, want := range map[string]string{
		"x-dead-letter-exchange": "dead_letter", "x-dead-letter-routing-key": q.Name,
		"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
	} {
		if got, _ := q.Arguments[key].(string); got != want {
			out = append(out, fmt.Sprintf("has %s=%q in place of %q", key, got, want))
		}
	}
	slices.Sort(out)
	return out
}
