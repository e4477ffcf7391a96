package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// What can be lost of an HTTP call. The connection is reset with it.
const (
	// RequestNeverArrives: the server has not seen it.
	RequestNeverArrives = iota + 1
	// ResponseNeverArrives: the server has done it, the client does not know.
	ResponseNeverArrives
	// ResponseIsCut: the client gets the half of it.
	ResponseIsCut
)

// HTTP is a proxy for HTTP/1.1 without TLS and without pipelining.
type HTTP struct {
	*Proxy

	trap Trap
}

// NewHTTP makes a proxy.
func NewHTTP(upstream string) (*HTTP, error) {
	p := &HTTP{}
	var err error
	p.Proxy, err = listen(upstream, p.pump)
	return p, err
}

// Lose arms the k-th POST from now on.
func (p *HTTP) Lose(what, k int) { p.trap.arm(k, what) }

// Lost is how many calls were lost so far.
func (p *HTTP) Lost() int { return p.trap.Sprung() }

// maxBody bounds what is held in memory: our roles send and answer far less in one call.
const maxBody = 16 << 20

func (p *HTTP) pump(l *link, toServer bool, from *bufio.Reader, to io.Writer) error {
	l.proxy.mu.Lock()
	if l.state == nil {
		l.state = make(chan *http.Request, 1) // without pipelining one is under way
	}
	asked := l.state.(chan *http.Request) //nolint:forcetypeassert // set above
	l.proxy.mu.Unlock()
	if toServer {
		return p.requests(l, asked, from, to)
	}
	return p.responses(l, asked, from, to)
}

func (p *HTTP) requests(l *link, asked chan<- *http.Request, from *bufio.Reader, to io.Writer) error {
	for {
		req, err := http.ReadRequest(from)
		if err != nil {
			return err
		}
		var raw bytes.Buffer
		if err := req.Write(&raw); err != nil {
			return err
		}
		if req.Method == http.MethodPost && p.trap.meets(RequestNeverArrives) {
			return errLost
		}
		select {
		case asked <- req:
		default:
			return fmt.Errorf("a second request before the answer to the first")
		}
		if err := l.write(to, raw.Bytes()); err != nil {
			return err
		}
	}
}

func (p *HTTP) responses(l *link, asked <-chan *http.Request, from *bufio.Reader, to io.Writer) error {
	for {
		if _, err := from.Peek(1); err != nil {
			return err // closed while idle, or before an answer
		}
		req := <-asked
		res, err := http.ReadResponse(from, req)
		if err != nil {
			return err
		}
		var raw bytes.Buffer
		err = res.Write(&raw)
		_ = res.Body.Close() // read by Write
		if err != nil || raw.Len() > maxBody {
			return errLost // cut off by the server
		}
		posted := req.Method == http.MethodPost
		if posted && p.trap.meets(ResponseNeverArrives) {
			return errLost
		}
		if posted && p.trap.meets(ResponseIsCut) {
			if err := l.write(to, raw.Bytes()[:raw.Len()/2]); err != nil {
				return err
			}
			return io.EOF // an orderly end after half of it
		}
		if err := l.write(to, raw.Bytes()); err != nil {
			return err
		}
	}
}
