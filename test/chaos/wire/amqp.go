package wire

import (
	"bufio"
	"encoding/binary"
	"io"
)

// What can be lost between a client and RabbitMQ. The connection is reset with it, except where said.
const (
	// PublishNeverArrives: a message leaves the client and does not reach the broker.
	PublishNeverArrives = iota + 1
	// ConfirmNeverArrives: the broker has the message, the publisher does not know.
	ConfirmNeverArrives
	// ConfirmIsSwallowed: the same, on a connection that stays.
	ConfirmIsSwallowed
	// AckNeverArrives: the consumer has acknowledged, the broker does not know.
	AckNeverArrives
)

// AMQP is a proxy for AMQP 0-9-1 without TLS.
type AMQP struct {
	*Proxy

	trap Trap
}

// NewAMQP makes a proxy.
func NewAMQP(upstream string) (*AMQP, error) {
	p := &AMQP{}
	var err error
	p.Proxy, err = listen(upstream, p.pump)
	return p, err
}

// Lose arms the k-th frame of a kind from now on.
func (p *AMQP) Lose(what, k int) { p.trap.arm(k, what) }

// Lost is how many frames were lost so far.
func (p *AMQP) Lost() int { return p.trap.Sprung() }

const (
	greeting    = 8 // "AMQP" and the version
	frameHead   = 7 // type, channel, size
	methodFrame = 1
	methodHead  = 4 // class and method
	classBasic  = 60
	publish     = 40
	ack         = 80
)

func (p *AMQP) pump(l *link, toServer bool, from *bufio.Reader, to io.Writer) error {
	if toServer {
		if err := pass(l, from, to, greeting); err != nil {
			return err
		}
	}
	for {
		head, err := from.Peek(frameHead)
		if err != nil {
			return err
		}
		size := frameHead + int(binary.BigEndian.Uint32(head[3:])) + 1 // and the frame's end
		method := 0
		if head[0] == methodFrame && size >= frameHead+methodHead {
			if head, err = from.Peek(frameHead + methodHead); err != nil {
				return err
			}
			if binary.BigEndian.Uint16(head[frameHead:]) == classBasic {
				method = int(binary.BigEndian.Uint16(head[frameHead+2:]))
			}
		}
		swallow, err := p.judge(method, toServer)
		if err != nil {
			return err
		}
		if swallow {
			if _, err := from.Discard(size); err != nil {
				return err
			}
			continue
		}
		if err := pass(l, from, to, size); err != nil {
			return err
		}
	}
}

// judge says whether a frame is to be swallowed, or with errLost that the link ends before it.
func (p *AMQP) judge(method int, toServer bool) (swallow bool, err error) {
	switch {
	case method == publish && toServer && p.trap.meets(PublishNeverArrives),
		method == ack && !toServer && p.trap.meets(ConfirmNeverArrives),
		method == ack && toServer && p.trap.meets(AckNeverArrives):
		return false, errLost
	case method == ack && !toServer && p.trap.meets(ConfirmIsSwallowed):
		return true, nil
	}
	return false, nil
}
