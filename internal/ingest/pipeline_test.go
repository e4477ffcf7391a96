package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/devstack"
	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/ingest"
	"github.com/xencrm/xencrm/internal/outbox"
	"github.com/xencrm/xencrm/internal/projection"
	"github.com/xencrm/xencrm/internal/rabbit"
)

// patience is how long a test waits for what must come; nothing waits that long when it passes.
const patience = 90 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 20*time.Millisecond, what)
}

// pipeline is everything from the API's service to customers_mv, with one loop of each kind.
type pipeline struct {
	testing.TB
	url              string
	master, business *pgxpool.Pool
	service          *customer.Service
	publisher        *rabbit.Publisher
	consumers        []*rabbit.Consumer
}

func newPipeline(t testing.TB, url string, masterPool, businessPool *pgxpool.Pool) *pipeline {
	t.Helper()
	p := &pipeline{TB: t, url: url, master: masterPool, business: businessPool}
	store, mv := master.New(masterPool), business.New(businessPool)
	var err error
	p.publisher, err = rabbit.NewPublisher(rabbit.PublisherConfig{URL: url, Log: quiet()})
	require.NoError(t, err)
	p.run(p.publisher.Run)
	p.service = customer.NewService(p.publisher, store, time.Now, quiet())
	h := ingest.NewHandler(store, time.Now)
	p.consume(event.QueueCustomers, h.Customers, store, store.Ping)
	p.consume(event.QueueOrders, h.Orders, store, store.Ping)
	p.consume(event.QueueCustomersMV, projection.NewHandler(mv).Handle, mv, mv.Ping)
	p.run(ingest.NewSweeper(store, time.Now, quiet()).Run)
	p.run(outbox.New(store, p.publisher, outbox.Options{Log: quiet()}).Run)
	eventually(t, "all is up", func() bool { return p.ready() == nil })
	return p
}

func (p *pipeline) consume(queue string, h rabbit.BatchHandler, q rabbit.Quarantine, ready func(context.Context) error) {
	p.Helper()
	c, err := rabbit.NewConsumer(rabbit.ConsumerConfig{URL: p.url, Queue: queue, Handle: h, Quarantine: q, Ready: ready, Log: quiet()})
	require.NoError(p, err)
	p.consumers = append(p.consumers, c)
	p.run(c.Run)
}

func (p *pipeline) run(loop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- loop(ctx) }()
	p.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			p.Errorf("loop ended with %v", err)
		}
	})
}

func (p *pipeline) ready() error {
	all := []error{p.publisher.Ready()}
	for _, c := range p.consumers {
		all = append(all, c.Ready())
	}
	return errors.Join(all...)
}

func (p *pipeline) customer(n int) {
	p.Helper()
	raw := fmt.Appendf(nil, `{"name":"C","email":"c%d@shop.in"}`, n)
	p.insist(func(key string) error { _, err := p.service.AcceptCustomer(p.Context(), raw, key); return err })
}

func (p *pipeline) order(n int, amount string) {
	p.Helper()
	raw := fmt.Appendf(nil, `{"customer_email":"c%d@shop.in","order_amount":%s}`, n, amount)
	p.insist(func(key string) error { _, err := p.service.AcceptOrder(p.Context(), raw, key); return err })
}

// insist does what a client does: it repeats under the same key until it has an answer.
func (p *pipeline) insist(do func(key string) error) {
	key := uuid.NewString()
	for {
		err := do(key)
		if err == nil {
			return
		}
		if code := errs.CodeOf(err); code != errs.Unavailable && code != errs.Unknown {
			p.Errorf("accept: %v", err)
			return
		}
	}
}

func count(t testing.TB, pool *pgxpool.Pool, query string, args ...any) int {
	t.Helper()
	var n int
	if err := pool.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		return -1
	}
	return n
}

// settled waits until customers_mv shows the totals and equals the master's customers.
func (p *pipeline) settled(customers, orders int, spend string) {
	p.Helper()
	eventually(p, "the projection has caught up", func() bool {
		var n, o int
		var s decimal.Decimal
		err := p.business.QueryRow(p.Context(), "SELECT count(*), coalesce(sum(total_orders), 0), coalesce(sum(total_spend), 0) FROM customers_mv").Scan(&n, &o, &s)
		return err == nil && n == customers && o == orders && s.StringFixed(2) == spend
	})
	const columns = "SELECT string_agg(concat_ws('|', customer_id, version, name, email, phone, total_spend, total_visits, total_orders, extract(epoch FROM last_order_at), status), E'\\n' ORDER BY customer_id) FROM "
	var inMaster, inBusiness string
	require.NoError(p, p.master.QueryRow(p.Context(), columns+"customers").Scan(&inMaster))
	require.NoError(p, p.business.QueryRow(p.Context(), columns+"customers_mv").Scan(&inBusiness))
	require.Equal(p, inMaster, inBusiness)
}

func TestFromThePostToTheProjection(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, devtest.Vhost(t), dbtest.Master(t), dbtest.Business(t))
	for n := range 20 {
		p.customer(n)
		p.order(n, "10.10") // D48: at once
	}
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() { p.order(n%20, "0.01") })
	}
	wg.Wait()
	p.settled(20, 120, "203.00")
	require.Zero(t, count(t, p.master, "SELECT count(*) FROM quarantine"))
}

// Everything that faults.md 5.7 names, at every queue; what is good among it has its effect.
func TestPoisonIsParkedWithItsBytesWhileOthersFlow(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, devtest.Vhost(t), dbtest.Master(t), dbtest.Business(t))
	p.customer(1)
	eventually(t, "the customer is there", func() bool { return count(t, p.business, "SELECT count(*) FROM customers_mv") == 1 })
	ch := channel(t, p.url)
	poison := func(eventType, good string) []string {
		return []string{
			"", " ", "[]", "null", `"str"`, "{", "{}", "\xff\xfe", "\x00", strings.Repeat("[", 20_000),
			strings.Repeat("x", 1<<20+1),
			`{"eventType":"` + eventType + `"}`, `{"eventType":"` + eventType + `","data":null}`, `{"eventType":"` + eventType + `","data":[]}`,
			`{"eventType":"other","data":` + good + `}`, `{"eventType":"` + eventType + `","schema_version":2,"data":` + good + `}`,
			`{"eventType":"` + eventType + `","timestamp":"soon","data":` + good + `}`, `{"eventType":"` + eventType + `","data":{}}`,
		}
	}
	goodMV := `{"customer_id":null,"version":1,"name":"A","email":"a@x.com","status":"ACTIVE","total_spend":"1"}`
	goodOrder := `{"customer_email":"c1@shop.in","order_amount":5}`
	sent := map[string][]string{
		event.KeyCustomer: append(poison(event.TypeCustomerReceived, `{"name":"A","email":"a@x.com"}`),
			`{"eventType":"customer_data_received","data":{"name":"A","email":"a@b"}}`,
			`{"eventType":"customer_data_received","data":{"name":"A\u0000","email":"a@x.com"}}`),
		event.KeyOrder: append(poison(event.TypeOrderReceived, goodOrder),
			`{"eventType":"order_data_received","data":{"customer_email":"c1@shop.in","order_amount":1e8}}`),
		event.KeyCustomerMV: append(poison(event.TypeCustomerMVUpsert, goodMV),
			`{"eventType":"customer_mv_upsert","data":`+goodMV+`}`, // Q9
			strings.ReplaceAll(`{"eventType":"customer_mv_upsert","data":`+goodMV+`}`, `null,"version":1`, `"`+uuid.NewString()+`"`),
			strings.ReplaceAll(`{"eventType":"customer_mv_upsert","data":`+goodMV+`}`, `null`, `"`+uuid.NewString()+`","total_visits":3000000000`)),
	}
	total := 0
	for key, bodies := range sent {
		for n, body := range bodies {
			send(t, ch, key, amqp.Publishing{MessageId: fmt.Sprint(key, n), ContentType: "image/png", Body: []byte(body)})
			total++
		}
	}
	// The id of a handled message with another content (Q7); content types that lie (Q13).
	for _, body := range []string{goodOrder, `{"customer_email":"c1@shop.in","order_amount":6}`, goodOrder} {
		send(t, ch, event.KeyOrder, amqp.Publishing{
			MessageId: "twice", ContentEncoding: "gzip", Body: []byte(`{"eventType":"order_data_received","data":` + body + `}`),
		})
	}
	total++
	p.settled(1, 1, "5.00")
	parked := func() int {
		return count(t, p.master, "SELECT count(*) FROM quarantine") + count(t, p.business, "SELECT count(*) FROM quarantine")
	}
	eventually(t, "all poison is parked", func() bool { return parked() == total })
	for key, bodies := range sent {
		pool := p.master
		if key == event.KeyCustomerMV {
			pool = p.business
		}
		for n, body := range bodies {
			require.Equal(t, 1, count(t, pool, "SELECT count(*) FROM quarantine WHERE message_id = $1 AND body = $2 AND reason <> ''", fmt.Sprint(key, n), []byte(body)), "%s %.40q", key, body)
		}
	}
	require.Equal(t, 1, count(t, p.master, "SELECT count(*) FROM quarantine WHERE message_id = 'twice' AND reason LIKE 'message id was used before%'"))
	for _, queue := range []string{event.QueueCustomers, event.QueueOrders, event.QueueCustomersMV} {
		q, err := ch.QueueDeclarePassive(queue+".dead", true, false, false, false, nil)
		require.NoError(t, err)
		require.Zero(t, q.Messages)
	}
}

// The reference's own messages, byte for byte in its shape, are understood.
func TestTheReferencesMessagesAreUnderstood(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, devtest.Vhost(t), dbtest.Master(t), dbtest.Business(t))
	ch := channel(t, p.url)
	send(t, ch, event.KeyCustomer, amqp.Publishing{MessageId: "1700000000000-0.5", Body: []byte(`{"eventType":"customer_data_received",
		"timestamp":"2026-03-01T12:00:00.000Z","source":"customer_api","data":{"name":"A","email":"a@x.com","total_spend":10.5,"total_visits":2,"status":"ACTIVE"}}`)})
	order := amqp.Publishing{Body: []byte(`{"eventType":"order_data_received","timestamp":"2026-03-01T12:00:00.000Z","source":"order_api",
		"data":{"customer_email":"a@x.com","order_amount":99.99,"order_status":"COMPLETED"}}`)}
	send(t, ch, event.KeyOrder, order)
	send(t, ch, event.KeyOrder, order) // no id: the same bytes are the same message
	p.settled(1, 1, "110.49")
}

func channel(t testing.TB, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	return ch
}

func send(t testing.TB, ch *amqp.Channel, key string, m amqp.Publishing) {
	t.Helper()
	confirm, err := ch.PublishWithDeferredConfirm(event.ExchangeIngestion, key, true, false, m)
	require.NoError(t, err)
	require.True(t, confirm.Wait())
}

// PostgreSQL and RabbitMQ are killed in turn under load: nothing accepted is lost or counted twice,
// nothing is parked or dead-lettered, and everything is back by itself.
func TestServersKilledInTurnLoseNothing(t *testing.T) {
	t.Parallel()
	stack := devtest.Own(t, devstack.Options{Postgres: true, RabbitMQ: true})
	open := func(dsn string) *pgxpool.Pool {
		pool, err := db.Open(t.Context(), dsn, db.PoolOptions{Name: "test"})
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		return pool
	}
	_, err := db.Migrate(t.Context(), stack.MasterURL, master.Migrations())
	require.NoError(t, err)
	_, err = db.Migrate(t.Context(), stack.BusinessURL, business.Migrations())
	require.NoError(t, err)
	p := newPipeline(t, stack.RabbitURL, open(stack.MasterURL), open(stack.BusinessURL))
	for n := range 10 {
		p.customer(n)
	}
	quit := make(chan struct{})
	var clients sync.WaitGroup
	var mu sync.Mutex
	accepted := 0
	for w := range 4 {
		clients.Go(func() {
			for n := w; ; n++ {
				select {
				case <-quit:
					return
				default:
				}
				p.order(n%10, "0.01")
				mu.Lock()
				accepted++
				mu.Unlock()
			}
		})
	}
	flows := func() {
		mu.Lock()
		before := accepted
		mu.Unlock()
		eventually(t, "orders flow", func() bool { mu.Lock(); defer mu.Unlock(); return accepted > before+100 })
	}
	for _, server := range []*devstack.Server{stack.Postgres(), stack.Rabbit(), stack.Postgres()} {
		flows()
		require.NoError(t, server.Kill())
		require.NoError(t, server.Start(t.Context()))
	}
	flows()
	close(quit)
	clients.Wait()
	p.settled(10, accepted, decimal.New(int64(accepted), -2).StringFixed(2))
	require.Zero(t, count(t, p.master, "SELECT count(*) FROM quarantine"))
	require.Zero(t, count(t, p.business, "SELECT count(*) FROM quarantine"))
	ch := channel(t, p.url)
	for _, queue := range []string{event.QueueCustomers, event.QueueOrders, event.QueueCustomersMV} {
		q, err := ch.QueueDeclarePassive(queue+".dead", true, false, false, false, nil)
		require.NoError(t, err)
		require.Zero(t, q.Messages)
	}
	t.Logf("%d orders accepted", accepted)
}
