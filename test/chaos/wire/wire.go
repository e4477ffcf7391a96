// Package wire holds proxies on loopback that can be told to lose exactly one thing: a COMMIT or its
// answer, a publish, a confirm, an acknowledgement, a request or a response. It knows as much of each
// protocol as it takes to find that thing, and passes everything else on as it came.
package wire

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// bufferSize holds any message of our roles but the largest, which are passed on in pieces.
const bufferSize = 64 << 10

// Proxy is what all of them can do. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	upstream string
	pump     pump
	running  sync.WaitGroup

	mu     sync.Mutex
	moved  *sync.Cond // broadcast when frozen ends or the proxy is closed
	links  map[*link]bool
	frozen bool
	refuse bool
	closed bool
}

// pump passes one direction of a link on until it ends.
type pump func(l *link, toServer bool, from *bufio.Reader, to io.Writer) error

// link is one connection through a proxy.
type link struct {
	proxy          *Proxy
	client, server *net.TCPConn
	state          any // of the protocol, made by its first pump
}

// errLost ends a link on purpose.
var errLost = errors.New("lost on purpose")

// NewTCP makes a proxy that only forwards.
func NewTCP(upstream string) (*Proxy, error) { return listen(upstream, forward) }

func forward(l *link, _ bool, from *bufio.Reader, to io.Writer) error {
	buf := make([]byte, bufferSize)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if err := l.write(to, buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

func listen(upstream string, p pump) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // ends with Close
	if err != nil {
		return nil, err
	}
	x := &Proxy{listener: l, upstream: upstream, pump: p, links: map[*link]bool{}}
	x.moved = sync.NewCond(&x.mu)
	x.running.Go(x.accept)
	return x, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close resets every link and returns when nothing of the proxy is left.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.moved.Broadcast()
	p.mu.Unlock()
	p.Reset()
	p.running.Wait()
	return err
}

// Reset resets every link, as a firewall does that has lost its table.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Freeze holds everything back, in both directions, while it is on. Links stay open.
func (p *Proxy) Freeze(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = on
	p.moved.Broadcast()
}

// Refuse resets new connections while it is on.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		client := conn.(*net.TCPConn) //nolint:forcetypeassert // a TCP listener gives no other
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	const dialTime = 5 * time.Second // loopback answers at once or not at all
	l := &link{proxy: p, client: client}
	server, err := net.DialTimeout("tcp", p.upstream, dialTime) // bounded
	if err != nil {
		l.reset()
		return
	}
	l.server = server.(*net.TCPConn) //nolint:forcetypeassert // dialled as TCP
	if !p.enter(l) {
		l.reset()
		return
	}
	var both sync.WaitGroup
	for _, toServer := range []bool{true, false} {
		both.Go(func() { l.run(toServer) })
	}
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

func (p *Proxy) enter(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.closed {
		return false
	}
	p.links[l] = true
	return true
}

// run pumps one direction, and takes the other one down with it when it ends.
func (l *link) run(toServer bool) {
	from, to := l.server, l.client
	if toServer {
		from, to = l.client, l.server
	}
	err := l.proxy.pump(l, toServer, bufio.NewReaderSize(from, bufferSize), to)
	if errors.Is(err, io.EOF) {
		_, _ = l.client.Close(), l.server.Close() // an orderly end, passed on as one
		return
	}
	l.reset()
}

func (l *link) reset() {
	for _, c := range []*net.TCPConn{l.client, l.server} {
		if c != nil {
			_ = c.SetLinger(0) // makes the close a reset
			_ = c.Close()      // it may be closed already
		}
	}
}

// write passes data on, once nothing holds it back.
func (l *link) write(to io.Writer, data []byte) error {
	p := l.proxy
	p.mu.Lock()
	for p.frozen && !p.closed {
		p.moved.Wait()
	}
	p.mu.Unlock()
	_, err := to.Write(data)
	return err
}

// Trap is armed for one thing of a kind, and counts how often it has sprung.
type Trap struct {
	mu     sync.Mutex
	left   int
	mode   int
	sprung int
}

// arm sets the trap for the k-th thing from now on, the first being 1.
func (t *Trap) arm(k, mode int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left, t.mode = k, mode
}

// meets reports whether the trap springs on this thing, if it is armed for the mode.
func (t *Trap) meets(mode int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == 0 || t.mode != mode {
		return false
	}
	if t.left--; t.left > 0 {
		return false
	}
	t.sprung++
	return true
}

// Sprung is how often the trap has sprung.
func (t *Trap) Sprung() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sprung
}
