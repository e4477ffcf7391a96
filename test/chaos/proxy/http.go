package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Match says which requests a fault counts and strikes; the zero value is all.
type Match struct {
	// Method is one such as POST; "" is any.
	Method string
	// Prefix is how the path begins.
	Prefix string
}

func (m Match) fits(r *http.Request) bool {
	return (m.Method == "" || m.Method == r.Method) && strings.HasPrefix(r.URL.Path, m.Prefix)
}

// HTTP forwards HTTP/1.1, one connection to the upstream for each of a client, and can lose single
// requests and answers. The bodies pass as they are, the heads as net/http writes them. Protocol
// upgrades are not understood.
type HTTP struct {
	*line

	faults faults[httpFault]
}

// httpFault is what happens to a request.
type httpFault struct {
	kind  httpKind
	match Match
	delay time.Duration
}

type httpKind int

const (
	dropRequest httpKind = iota + 1
	swallowResponse
	truncateBody
	delayResponse
)

// NewHTTP starts a proxy to the host and port that upstream gives, which is asked for every
// connection.
func NewHTTP(upstream func() string) (*HTTP, error) {
	h := &HTTP{}
	l, err := newLine(upstream, func() (up, down forwarder) {
		// One place: a client that does not pipeline has one request under way.
		c := &httpConn{h: h, exchanges: make(chan exchange, 1)}
		return c.up, c.down
	})
	if err != nil {
		return nil, err
	}
	h.line = l
	return h, nil
}

// DropRequest arms the loss of the k-th request: the upstream never sees it, and the connection is
// reset.
func (h *HTTP) DropRequest(k int, m Match) *Fault {
	return h.faults.arm(k, httpFault{kind: dropRequest, match: m})
}

// SwallowResponse arms the loss of the answer to the k-th request: the upstream answers in full, the
// client gets nothing of it but a reset.
func (h *HTTP) SwallowResponse(k int, m Match) *Fault {
	return h.faults.arm(k, httpFault{kind: swallowResponse, match: m})
}

// TruncateBody arms a break within the answer to the k-th request: the client gets the head, a half
// of the body (one byte of it when its length is not announced) and a reset. An answer without a
// body is swallowed whole.
func (h *HTTP) TruncateBody(k int, m Match) *Fault {
	return h.faults.arm(k, httpFault{kind: truncateBody, match: m})
}

// Delay arms a pause of d before the head of the answer to the k-th request, which the upstream has
// given by then.
func (h *HTTP) Delay(k int, d time.Duration, m Match) *Fault {
	return h.faults.arm(k, httpFault{kind: delayResponse, match: m, delay: d})
}

// httpConn is one connection.
type httpConn struct {
	h         *HTTP
	exchanges chan exchange
}

// exchange is a request that was forwarded, as far as its answer needs it.
type exchange struct {
	method string
	spec   httpFault
	fault  *Fault // nil for most
}

func (c *httpConn) up(s *stream) error {
	for {
		req, err := http.ReadRequest(s.in)
		if err != nil {
			return err
		}
		spec, f := c.h.faults.next(func(w httpFault) bool { return w.match.fits(req) })
		if f != nil && spec.kind == dropRequest {
			return s.strike(f)
		}
		if _, named := req.Header["User-Agent"]; !named {
			req.Header.Set("User-Agent", "") // net/http would put in its own
		}
		select {
		case c.exchanges <- exchange{req.Method, spec, f}: // before the upstream can answer
		case <-s.p.over:
			return errors.New("reset")
		}
		if err := req.Write(plainWriter{s.out}); err != nil {
			return fmt.Errorf("forward a request: %w", notEnd(err))
		}
	}
}

func (c *httpConn) down(s *stream) error {
	for {
		// An idle connection that the upstream ends must end for the client too.
		if _, err := s.in.Peek(1); err != nil {
			return err
		}
		select {
		case x := <-c.exchanges:
			if err := x.answer(s); err != nil {
				return err
			}
		default:
			return errors.New("an answer without a request")
		}
	}
}

// answer forwards the answer, with whatever the fault does to it.
func (x exchange) answer(s *stream) error {
	res, err := x.read(s) //nolint:bodyclose // The body is the next bytes of the connection, which outlives it.
	if err != nil {
		return err
	}
	if x.fault == nil {
		return write(s, res)
	}
	switch x.spec.kind {
	case delayResponse:
		x.fault.struck.Add(1)
		wait(x.spec.delay, s.p.over)
		return write(s, res)
	case truncateBody:
		return x.truncate(s, res)
	default:
		return x.swallow(s, res)
	}
}

// read gives the final answer, after it has forwarded those that ask the client to go on.
func (x exchange) read(s *stream) (*http.Response, error) {
	for {
		res, err := http.ReadResponse(s.in, &http.Request{Method: x.method})
		if err != nil {
			return nil, notEnd(err)
		}
		if res.StatusCode >= http.StatusOK {
			// An answer to HEAD may lack a length, and Write would end the connection for it but for this.
			res.Uncompressed = x.method == http.MethodHead
			return res, nil
		}
		if res.StatusCode == http.StatusSwitchingProtocols {
			return nil, errors.New("the upstream changes the protocol, which this proxy does not understand")
		}
		if err := write(s, res); err != nil {
			return nil, err
		}
	}
}

func (x exchange) swallow(s *stream, res *http.Response) error {
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return notEnd(err)
	}
	return s.strike(x.fault)
}

func (x exchange) truncate(s *stream, res *http.Response) error {
	rest := bufio.NewReader(res.Body)
	if _, err := rest.Peek(1); err != nil {
		return x.swallow(s, res)
	}
	keep := int64(1)
	if res.ContentLength > 0 {
		keep = res.ContentLength / 2
	}
	// The writer takes the short body for an error after it has written all of it.
	res.Body = io.NopCloser(io.MultiReader(io.LimitReader(rest, keep), brokenReader{}))
	if err := write(s, res); !errors.Is(err, errStruck) {
		return notEnd(err)
	}
	return s.strike(x.fault)
}

// brokenReader is where a truncated body breaks.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errStruck }

func write(s *stream, res *http.Response) error {
	if err := res.Write(plainWriter{s.out}); err != nil {
		return fmt.Errorf("forward an answer: %w", notEnd(err))
	}
	return nil
}

// notEnd makes an end within a message what it is, so that it resets the client.
func notEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// plainWriter hides that a bufio.Writer can read by itself: the read flushes that very writer. It
// writes single bytes because net/http puts a buffer of its own before a writer that does not.
type plainWriter struct{ w *bufio.Writer }

func (p plainWriter) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p plainWriter) WriteByte(b byte) error      { return p.w.WriteByte(b) }
