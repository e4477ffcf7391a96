// Package proxy puts lossy lines between the parts of a system: it forwards connections on loopback
// and, when told to, freezes, delays, resets or refuses them, or loses one message of a protocol
// that it understands (faults.md 2.1).
//
// It owns the faults of a connection and nothing else: which fault comes when is decided by the
// chaos program, and what must hold afterwards is judged there too. It understands no TLS, no HTTP/2
// and no protocol upgrade; a connection that it cannot read is reset rather than passed unseen.
package proxy

import "time"

// Proxy is what all kinds have in common. Everything is safe for concurrent use.
type Proxy interface {
	// Addr is the host and port to connect to in place of the upstream's.
	Addr() string
	// Close stops listening, resets all connections and waits until nothing of the proxy runs.
	Close() error
	// Reset sends RST to both ends of every connection; new ones are served.
	Reset()
	// Freeze forwards nothing while on, not even the end of a connection. Connections stay open and
	// new ones are accepted, as when a cable is cut.
	Freeze(on bool)
	// SetDelay holds back every chunk for d, in each direction. The next chunk is read only then, so
	// it narrows the line too.
	SetDelay(d time.Duration)
	// Refuse resets new connections while on and leaves the others alone.
	Refuse(on bool)
	// Connections is how many clients are connected.
	Connections() int
}

var (
	_ Proxy = (*TCP)(nil)
	_ Proxy = (*Postgres)(nil)
	_ Proxy = (*AMQP)(nil)
	_ Proxy = (*HTTP)(nil)
)
