package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"sync/atomic"
)

// What can become of a COMMIT.
const (
	// CommitNeverArrives: the server rolls back, the client does not know.
	CommitNeverArrives = iota + 1
	// CommitUnanswered: the server has committed, the client does not know.
	CommitUnanswered
)

// Postgres is a proxy for PostgreSQL's protocol, version 3, without TLS.
type Postgres struct {
	*Proxy

	commit Trap
	app    atomic.Pointer[string]
}

// NewPostgres makes a proxy.
func NewPostgres(upstream string) (*Postgres, error) {
	p := &Postgres{}
	var err error
	p.Proxy, err = listen(upstream, p.pump)
	return p, err
}

// LoseCommit arms the k-th COMMIT from now on of sessions whose application name begins with app. The
// connection is reset with it.
func (p *Postgres) LoseCommit(app string, k, how int) {
	p.app.Store(&app)
	p.commit.arm(k, how)
}

// Lost is how many COMMITs were lost so far.
func (p *Postgres) Lost() int { return p.commit.Sprung() }

// session is what a link's two directions share.
type session struct {
	app       atomic.Pointer[string]
	bare      atomic.Int32 // answers to come that are a single byte
	swallowed atomic.Bool  // the answer to COMMIT is not to be passed on
}

const (
	sslRequest, gssRequest, cancelRequest = 80877103, 80877104, 80877102
	lengthSize                            = 4
	messageHead                           = 1 + lengthSize
)

func (p *Postgres) pump(l *link, toServer bool, from *bufio.Reader, to io.Writer) error {
	l.proxy.mu.Lock()
	if l.state == nil {
		l.state = &session{}
	}
	s := l.state.(*session) //nolint:forcetypeassert // set above
	l.proxy.mu.Unlock()
	if toServer {
		if err := p.startUp(l, s, from, to); err != nil {
			return err
		}
		return p.queries(l, s, from, to)
	}
	return p.answers(l, s, from, to)
}

// startUp passes on what comes before the first typed message, and learns the application's name.
func (p *Postgres) startUp(l *link, s *session, from *bufio.Reader, to io.Writer) error {
	for {
		head, err := from.Peek(2 * lengthSize)
		if err != nil {
			return err
		}
		code := binary.BigEndian.Uint32(head[lengthSize:])
		if code == sslRequest || code == gssRequest {
			s.bare.Add(1)
		}
		body := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(from, body); err != nil {
			return err
		}
		if err := l.write(to, body); err != nil {
			return err
		}
		switch code {
		case sslRequest, gssRequest:
		case cancelRequest:
			return forward(l, true, from, to)
		default:
			name := ""
			if _, rest, ok := bytes.Cut(body, []byte("application_name\x00")); ok {
				value, _, _ := bytes.Cut(rest, []byte{0})
				name = string(value)
			}
			s.app.Store(&name)
			return nil
		}
	}
}

// queries passes on what the client asks. pgx sends a COMMIT as a simple query.
func (p *Postgres) queries(l *link, s *session, from *bufio.Reader, to io.Writer) error {
	for {
		kind, size, err := peekMessage(from)
		if err != nil {
			return err
		}
		const longest = messageHead + len("commit;") + 1
		if kind == 'Q' && size <= longest {
			if err := p.query(s, from, size); err != nil {
				return err
			}
		}
		if err := pass(l, from, to, size); err != nil {
			return err
		}
	}
}

// query looks at a short query before it is passed on, and gives errLost when it is not to be.
func (p *Postgres) query(s *session, from *bufio.Reader, size int) error {
	text, err := from.Peek(size)
	if err != nil || !isCommit(text[messageHead:]) || !p.meant(s) {
		return err
	}
	if p.commit.meets(CommitNeverArrives) {
		return errLost
	}
	if p.commit.meets(CommitUnanswered) {
		s.swallowed.Store(true)
	}
	return nil
}

func isCommit(text []byte) bool {
	return strings.EqualFold(strings.TrimRight(string(bytes.TrimRight(text, "\x00")), ";"), "commit")
}

func (p *Postgres) meant(s *session) bool {
	app, name := p.app.Load(), s.app.Load()
	return app != nil && name != nil && strings.HasPrefix(*name, *app)
}

// answers passes on what the server says, up to the answer to a COMMIT that is to be lost.
func (p *Postgres) answers(l *link, s *session, from *bufio.Reader, to io.Writer) error {
	for {
		for {
			if _, err := from.Peek(1); err != nil {
				return err
			}
			if s.bare.Load() == 0 {
				break
			}
			s.bare.Add(-1)
			if err := pass(l, from, to, 1); err != nil {
				return err
			}
		}
		kind, size, err := peekMessage(from)
		if err != nil {
			return err
		}
		// CommandComplete: it is done. An error instead is passed on, and nothing is lost.
		if kind == 'C' && s.swallowed.Load() {
			return errLost
		}
		if err := pass(l, from, to, size); err != nil {
			return err
		}
	}
}

func peekMessage(from *bufio.Reader) (kind byte, size int, err error) {
	head, err := from.Peek(messageHead)
	if err != nil {
		return 0, 0, err
	}
	return head[0], 1 + int(binary.BigEndian.Uint32(head[1:])), nil
}

// pass copies exactly n bytes, in pieces that the buffer holds.
func pass(l *link, from *bufio.Reader, to io.Writer, n int) error {
	for n > 0 {
		piece, err := from.Peek(min(n, bufferSize))
		if len(piece) == 0 {
			return err
		}
		if err := l.write(to, piece); err != nil {
			return err
		}
		n -= len(piece)
		if _, err := from.Discard(len(piece)); err != nil {
			return err
		}
	}
	return nil
}
