package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// dialTimeout bounds a connect on loopback, which takes microseconds unless the upstream's queue
	// of new connections is full, as that of a stopped process may be.
	dialTimeout = 5 * time.Second

	// acceptPause keeps a process that is out of file descriptors from spinning until it has one.
	acceptPause = 10 * time.Millisecond
)

// forwarder forwards one direction of a connection until it gives an error: io.EOF when its source
// has ended, anything else when the connection shall be reset.
type forwarder func(*stream) error

// line listens, keeps the connections and what is done to all of them alike.
type line struct {
	listener net.Listener
	upstream func() string
	// protocol makes the forwarders of one connection, which may share something.
	protocol func() (up, down forwarder)
	running  sync.WaitGroup

	mu     sync.Mutex
	pairs  map[*pair]struct{}
	closed bool
	refuse bool
	delay  time.Duration
	thaw   chan struct{} // not nil while frozen; closed by the thaw
}

func newLine(upstream func() string, protocol func() (up, down forwarder)) (*line, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a proxy: %w", err)
	}
	l := &line{listener: listener, upstream: upstream, protocol: protocol, pairs: map[*pair]struct{}{}}
	l.running.Go(l.accept)
	return l, nil
}

// Addr implements Proxy.
func (l *line) Addr() string { return l.listener.Addr().String() }

// Close implements Proxy; closing again does nothing.
func (l *line) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	err := l.listener.Close()
	l.Reset()
	l.running.Wait()
	if err != nil {
		return fmt.Errorf("close a proxy: %w", err)
	}
	return nil
}

// Reset implements Proxy.
func (l *line) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.reset()
	}
}

// Freeze implements Proxy.
func (l *line) Freeze(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case on && l.thaw == nil:
		l.thaw = make(chan struct{})
	case !on && l.thaw != nil:
		close(l.thaw)
		l.thaw = nil
	}
}

// SetDelay implements Proxy.
func (l *line) SetDelay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// Refuse implements Proxy.
func (l *line) Refuse(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = on
}

// Connections implements Proxy.
func (l *line) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pairs)
}

func (l *line) accept() {
	for {
		conn, err := l.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait(acceptPause, nil)
		default:
			l.running.Go(func() { l.serve(conn) })
		}
	}
}

// serve forwards one connection until both directions have ended.
func (l *line) serve(client net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pair{client: client, over: ctx.Done(), cancel: cancel}
	defer p.reset() // both ends are gone by then, or the upstream never came
	if !l.add(p) {
		return
	}
	defer l.remove(p)
	l.pass(p) // a cut cable carries no SYN either
	dialer := net.Dialer{Timeout: dialTimeout}
	server, err := dialer.DialContext(ctx, "tcp", l.upstream())
	if err != nil || !p.connected(server) {
		return
	}
	up, down := l.protocol()
	var both sync.WaitGroup
	both.Go(func() { l.forward(p, newStream(l, p, server, client), up) })
	both.Go(func() { l.forward(p, newStream(l, p, client, server), down) })
	both.Wait()
	p.end()
}

func (l *line) forward(p *pair, s *stream, run forwarder) {
	err := run(s)
	if errors.Is(err, io.EOF) {
		err = s.end()
	}
	if err != nil {
		l.pass(p) // a frozen line tells nobody that the other end is gone
		p.reset()
	}
}

// add makes p one of the connections, unless there shall be no new one.
func (l *line) add(p *pair) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse || l.closed {
		return false
	}
	l.pairs[p] = struct{}{}
	return true
}

func (l *line) remove(p *pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs, p)
}

// pass returns when the delay is over and the line is not frozen, or p is over.
func (l *line) pass(p *pair) {
	delay, _ := l.state()
	wait(delay, p.over)
	for {
		_, thaw := l.state()
		if thaw == nil {
			return
		}
		select {
		case <-thaw:
		case <-p.over:
			return
		}
	}
}

func (l *line) state() (delay time.Duration, thaw <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delay, l.thaw
}

// wait lets d pass, or less if over closes.
func wait(d time.Duration, over <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	}
}
