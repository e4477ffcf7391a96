package rabbit

import (
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// The pipelines share this package; a crash in one of them is told from the others by its key or queue.

// hitPublished passes the point at which messages were sent and not confirmed.
func hitPublished(key string) {
	switch key {
	case event.KeyCustomer, event.KeyOrder:
		failpoint.Hit(failpoint.IngestAfterPublish)
	case event.KeyReceipt:
		failpoint.Hit(failpoint.ReceiptsInAfterPublish)
	case event.KeyCustomerMV:
		failpoint.Hit(failpoint.RelayAfterPublish)
	}
}

// hitAcked passes the point at which deliveries were acknowledged.
func hitAcked(queue string) error {
	switch queue {
	case event.QueueCustomers, event.QueueOrders:
		return failpoint.Err(failpoint.ConsumeAfterAck)
	case event.QueueReceipts:
		return failpoint.Err(failpoint.ReceiptAfterAck)
	case event.QueueCustomersMV:
		return failpoint.Err(failpoint.ProjectAfterAck)
	}
	return nil
}
