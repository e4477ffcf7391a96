package rabbit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// heartbeat finds a dead peer in two intervals; a loaded broker on two cores may well be silent
	// for a few seconds.
	heartbeat = 10 * time.Second
	// dialTimeout bounds TCP connect and AMQP handshake together.
	dialTimeout = 10 * time.Second
	// writeTimeout bounds one write to the socket. A broker that is frozen, or does not read because
	// of an alarm, would block a writer for ever, and the library's own shutdown behind it: it waits
	// for the lock that the writer holds.
	writeTimeout = 10 * time.Second
	// closeTimeout bounds the farewell.
	closeTimeout = 2 * time.Second
	// Redialling starts fast, because most losses are a restart of a few seconds.
	redialMin, redialMax = 100 * time.Millisecond, 5 * time.Second
)

// CheckURL refuses a broker address that can never work, without echoing its password.
func CheckURL(raw string) error {
	if _, err := amqp.ParseURI(raw); err != nil {
		return errs.Errorf(errs.Invalid, "broker URL %s is not usable: want amqp://user:password@host:5672/vhost", redact(raw))
	}
	return nil
}

func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "amqp" && u.Scheme != "amqps") {
		return "(unreadable)"
	}
	return u.Redacted()
}

// session is one connection with one channel on it, thrown away together.
type session struct {
	conn *amqp.Connection
	ch   *amqp.Channel
}

// openSession dials, opens a channel and declares the topology.
func openSession(ctx context.Context, rawURL, name string) (*session, error) {
	props := amqp.NewConnectionProperties()
	props.SetClientConnectionName(name)
	conn, err := amqp.DialConfig(rawURL, amqp.Config{
		Heartbeat:  heartbeat,
		Properties: props,
		Dial:       func(network, addr string) (net.Conn, error) { return dial(ctx, network, addr) },
	})
	if err != nil {
		return nil, translate("dial "+redact(rawURL), err)
	}
	s := &session{conn: conn}
	if s.ch, err = conn.Channel(); err != nil {
		s.close()
		return nil, translate("open channel", err)
	}
	if err := declare(s.ch); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close ends the session, politely if the broker answers in time. Unacknowledged messages go back
// to their queue.
func (s *session) close() {
	// The session is unusable from here on whatever the answer: an error changes nothing.
	_ = s.conn.CloseDeadline(time.Now().Add(closeTimeout))
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: heartbeat}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	// For the handshake; the library takes the deadline off when it is through.
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		_ = conn.Close() // the error to report is the first
		return nil, err
	}
	return &boundedConn{Conn: conn}, nil
}

// boundedConn gives every write a deadline.
type boundedConn struct{ net.Conn }

func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// translate gives a driver error its code. Every loss of the broker heals; a refused login or vhost
// does too once an operator has acted, so nobody gives up on it.
func translate(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, errs.Wrap(errs.Unavailable, err, "the message broker is away"))
}

// fatal reports errors that trying again cannot heal.
func fatal(err error) bool { return errs.Is(err, errs.Conflict) || errs.Is(err, errs.Invalid) }

// backoff gives growing pauses with full jitter, so that many processes do not redial in step.
type backoff struct {
	lowest, highest time.Duration
	next            time.Duration
}

func (b *backoff) reset() { b.next = 0 }

// pause waits for the next pause or the end of ctx.
func (b *backoff) pause(ctx context.Context) {
	b.next = min(max(2*b.next, b.lowest), b.highest)
	// Between half and all of it: never zero, which would be a busy loop.
	d := b.next/2 + rand.N(b.next/2+1)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
