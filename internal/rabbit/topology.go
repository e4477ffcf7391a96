package rabbit

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

const (
	// exchangeDeadLetter takes what a queue gave up on; each queue's letters go to a queue of its own.
	exchangeDeadLetter = "dead_letter"

	// deliveryLimit is how often a message may come back before the broker moves it to the dead-letter
	// queue: the last resort against a message that kills the process which handles it. It must not be
	// reached otherwise, and everything else that returns messages counts too on RabbitMQ 3.10 (nack,
	// closed channel, lost connection, restart). Consumers never nack, hold what an outage stops, and
	// reopen only when their dependency answers; an outage of any length costs a message a handful
	// (TestOutageDeadLettersNothing). A crash every two seconds takes half an hour to get there.
	deliveryLimit = 1000

	// deadDeliveryLimit is for the dead-letter queues themselves, which have nowhere to pass letters on
	// to: RabbitMQ 4 would drop a letter after 20 looks at it.
	deadDeliveryLimit = 1_000_000
)

// queueSpec is one of our queues and where its messages come from.
type queueSpec struct {
	name, exchange, key string
}

// deadName is the queue that holds what q gave up on.
func (q queueSpec) deadName() string { return q.name + ".dead" }

// topology is everything that is declared; one list, one declare function.
func topology() []queueSpec {
	return []queueSpec{
		{event.QueueCustomers, event.ExchangeIngestion, event.KeyCustomer},
		{event.QueueOrders, event.ExchangeIngestion, event.KeyOrder},
		{event.QueueCustomersMV, event.ExchangeIngestion, event.KeyCustomerMV},
		{event.QueueReceipts, event.ExchangeCampaign, event.KeyReceipt},
	}
}

// args are the queue's arguments. There is no TTL: a consumer that is down for a day loses nothing
// (D32). At-least-once dead-lettering needs reject-publish, which without a length limit never
// rejects anything; with it, a letter whose queue is missing stays in the source.
func (q queueSpec) args() amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
		"x-delivery-limit":          int64(deliveryLimit),
		"x-dead-letter-exchange":    exchangeDeadLetter,
		"x-dead-letter-routing-key": q.name,
		"x-dead-letter-strategy":    "at-least-once",
		"x-overflow":                "reject-publish",
	}
}

func deadArgs() amqp.Table {
	return amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": int64(deadDeliveryLimit)}
}

// declarer is the part of a channel that declaring needs.
type declarer interface {
	ExchangeDeclare(name, kind string, durable, autoDelete, internal, noWait bool, args amqp.Table) error
	QueueDeclare(name string, durable, autoDelete, exclusive, noWait bool, args amqp.Table) (amqp.Queue, error)
	QueueBind(name, key, exchange string, noWait bool, args amqp.Table) error
}

// declare brings the broker to the topology; repeating it changes nothing. Something that exists
// with other arguments gives errs.Conflict: it takes an operator, so nobody should try again.
func declare(ch declarer) error {
	for _, name := range []string{event.ExchangeIngestion, event.ExchangeCampaign, exchangeDeadLetter} {
		if err := ch.ExchangeDeclare(name, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
			return declareError("exchange", name, err)
		}
	}
	for _, q := range topology() {
		// The dead-letter queue comes first, so that no letter can be without one.
		if err := declareQueue(ch, q.deadName(), exchangeDeadLetter, q.name, deadArgs()); err != nil {
			return err
		}
		if err := declareQueue(ch, q.name, q.exchange, q.key, q.args()); err != nil {
			return err
		}
	}
	return nil
}

func declareQueue(ch declarer, name, exchange, key string, args amqp.Table) error {
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		return declareError("queue", name, err)
	}
	if err := ch.QueueBind(name, key, exchange, false, nil); err != nil {
		return declareError("binding of queue", name, err)
	}
	return nil
}

// declareError keeps the broker's own words, which name the argument and both values.
func declareError(kind, name string, err error) error {
	amqpErr, ok := errors.AsType[*amqp.Error](err)
	if ok && amqpErr.Code == amqp.PreconditionFailed {
		return errs.Errorf(errs.Conflict,
			"%s %s exists on the broker with other arguments: %s; delete it once it is empty, or use another vhost",
			kind, name, strings.TrimPrefix(amqpErr.Reason, "PRECONDITION_FAILED - "))
	}
	return translate(fmt.Sprintf("declare %s %s", kind, name), err)
}
