package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Frame is what an AMQP proxy can lose.
type Frame int

const (
	// Publish is a message on its way to the broker: basic.publish with its header and body. The
	// connection is reset.
	Publish Frame = iota + 1
	// Confirm is the broker's basic.ack for what was published, maybe for several messages at once. The
	// connection goes on. A later confirm for several messages may cover the lost one; a driver that
	// hands out confirms in order (amqp091) waits for the lost one before it hands out any other.
	Confirm
	// ConfirmAndReset is Confirm, and the connection is reset.
	ConfirmAndReset
	// ConsumerAck is a consumer's basic.ack, maybe for several deliveries. The connection is reset, since
	// the broker would wait for it as long as the channel lives.
	ConsumerAck
)

// AMQP forwards to a broker that speaks AMQP 0-9-1 without TLS, and can lose single frames.
type AMQP struct {
	*line

	frames faults[Frame]
}

// NewAMQP starts a proxy to the host and port that upstream gives, which is asked for every
// connection.
func NewAMQP(upstream func() string) (*AMQP, error) {
	q := &AMQP{}
	l, err := newLine(upstream, func() (up, down forwarder) { return q.up, q.down })
	if err != nil {
		return nil, err
	}
	q.line = l
	return q, nil
}

// Drop arms the loss of the k-th frame of its kind from now on, over all connections.
func (q *AMQP) Drop(frame Frame, k int) *Fault { return q.frames.arm(k, frame) }

// A frame is type (1), channel (2), size (4), a payload of that size, and an end mark (1). The payload
// of a method starts with its class (2) and number (2).
const (
	amqpHead      = 7
	amqpMethodIDs = 4
	amqpEnd       = 1

	amqpGreeting = "AMQP\x00\x00\x09\x01"

	amqpTypeMethod, amqpTypeHeartbeat = 1, 8

	amqpBasicPublish = 60<<16 | 40
	amqpBasicAck     = 60<<16 | 80 // in both directions
)

func (q *AMQP) up(s *stream) error {
	greeting, err := s.in.Peek(len(amqpGreeting))
	if err != nil {
		return err
	}
	if !bytes.Equal(greeting, []byte(amqpGreeting)) {
		return errors.New("not AMQP 0-9-1, or encrypted: use an amqp:// URL")
	}
	if err := s.pass(int64(len(amqpGreeting))); err != nil {
		return err
	}
	return q.eachFrame(s, func(method uint32) []Frame {
		switch method {
		case amqpBasicPublish:
			return []Frame{Publish}
		case amqpBasicAck:
			return []Frame{ConsumerAck}
		}
		return nil
	})
}

func (q *AMQP) down(s *stream) error {
	first, err := s.in.Peek(1)
	if err != nil {
		return err
	}
	if first[0] == amqpGreeting[0] {
		return passAll(s) // a broker that wants another version says which, and hangs up
	}
	return q.eachFrame(s, func(method uint32) []Frame {
		if method == amqpBasicAck {
			return []Frame{Confirm, ConfirmAndReset}
		}
		return nil
	})
}

// eachFrame forwards frames; kinds says what a method may be lost as.
func (q *AMQP) eachFrame(s *stream, kinds func(method uint32) []Frame) error {
	for {
		method, size, err := amqpPeek(s)
		if err != nil {
			return err
		}
		if lost, f := q.due(kinds(method)); f != nil {
			if err := lose(s, lost, f, size); err != nil {
				return err
			}
			continue
		}
		if err := s.pass(size); err != nil {
			return err
		}
	}
}

func (q *AMQP) due(kinds []Frame) (Frame, *Fault) {
	if len(kinds) == 0 {
		return 0, nil
	}
	return q.frames.next(func(w Frame) bool { return slices.Contains(kinds, w) })
}

// lose drops a frame of the given size; what belongs to it and follows is dropped by the reset.
func lose(s *stream, lost Frame, f *Fault, size int64) error {
	if lost != Confirm {
		return s.strike(f)
	}
	if _, err := s.in.Discard(int(size)); err != nil {
		return err
	}
	f.struck.Add(1)
	return nil
}

// amqpPeek looks at the next frame: its method, 0 if it is none, and its whole size.
func amqpPeek(s *stream) (method uint32, size int64, err error) {
	head, err := s.in.Peek(amqpHead)
	if err != nil {
		return 0, 0, err
	}
	kind, payload := head[0], binary.BigEndian.Uint32(head[3:])
	if kind < amqpTypeMethod || kind > amqpTypeHeartbeat {
		return 0, 0, fmt.Errorf("a frame of the unknown type %d", kind)
	}
	size = amqpHead + int64(payload) + amqpEnd
	if kind != amqpTypeMethod || payload < amqpMethodIDs {
		return 0, size, nil
	}
	ids, err := s.in.Peek(amqpHead + amqpMethodIDs)
	if err != nil {
		return 0, 0, err
	}
	return binary.BigEndian.Uint32(ids[amqpHead:]), size, nil
}
