package proxy

import (
	"context"
	"net"
	"sync"
)

// pair is a client's connection and the one to the upstream that belongs to it.
type pair struct {
	over   <-chan struct{} // closed by reset
	cancel context.CancelFunc

	mu     sync.Mutex
	client net.Conn
	server net.Conn // nil until there is one
}

// connected gives p its upstream, unless it was reset meanwhile.
func (p *pair) connected(server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.over:
		abort(server)
		return false
	default:
		p.server = server
		return true
	}
}

// reset aborts both connections. It may be called several times.
func (p *pair) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	abort(p.client)
	if p.server != nil {
		abort(p.server)
	}
}

// end closes both connections after each direction has ended with FIN: an RST now could overtake
// what a peer has not read yet.
func (p *pair) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.client.Close() // nothing is left to write
	_ = p.server.Close() // nothing is left to write
}

// abort closes with RST. A connection that is closed already stays as it is, hence no errors.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closed already, see above
	}
	_ = conn.Close() // closed already, see above
}
