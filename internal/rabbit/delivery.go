package rabbit

import (
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// maxReason bounds what is stored about why a message was parked, in bytes.
const maxReason = 1000

// deliveryOf makes our type of the library's. Everything that is stored as text is made storable
// here: a NUL or broken UTF-8 in a header must not keep a message from being parked.
func deliveryOf(queue string, d *amqp.Delivery) Delivery {
	headers := make(map[string]string, len(d.Headers))
	for k, v := range d.Headers {
		headers[storable(k)] = storable(fmt.Sprint(v))
	}
	return Delivery{
		Queue: queue, Exchange: storable(d.Exchange), Key: storable(d.RoutingKey),
		ID: storable(d.MessageId), CorrelationID: storable(d.CorrelationId),
		ContentType: storable(d.ContentType), ContentEncoding: storable(d.ContentEncoding),
		Headers: headers, Timestamp: d.Timestamp, Redelivered: d.Redelivered, Body: d.Body,
	}
}

// storable replaces what PostgreSQL refuses in text and jsonb.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// reasonText is what an operator reads next to a parked message.
func reasonText(s string) string {
	if len(s) > maxReason {
		s = s[:maxReason]
	}
	return storable(s)
}
