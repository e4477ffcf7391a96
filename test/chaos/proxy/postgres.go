package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// When says on which side of the server's work something is lost.
type When int

// Before loses the request, After loses the answer.
const (
	Before When = iota
	After
)

// Commit is which COMMIT to lose, and how.
type Commit struct {
	// K counts the commits from now on, the lost one included.
	K int
	// Before: COMMIT does not reach the server, which rolls back. After: the server has answered, so
	// it has committed unless it refused, and the client is not told. Both reset the connection.
	When When
	// App is the application_name of the connections to count, as given when they started; "" is all.
	App string
}

// Postgres forwards to a PostgreSQL server without TLS, and can lose a COMMIT. What it can lose is a
// statement of its own, as drivers send it, by the simple or the extended protocol: not the one that
// a lone statement implies, and not one within a query of several statements.
type Postgres struct {
	*line

	commits faults[Commit]
}

// NewPostgres starts a proxy to the host and port that upstream gives, which is asked for every
// connection.
func NewPostgres(upstream func() string) (*Postgres, error) {
	g := &Postgres{}
	l, err := newLine(upstream, func() (up, down forwarder) {
		c := &pgConn{
			commits: &g.commits, statements: map[string]bool{}, portals: map[string]bool{},
		}
		return c.up, c.down
	})
	if err != nil {
		return nil, err
	}
	g.line = l
	return g, nil
}

// DropCommit arms the loss of one COMMIT.
func (g *Postgres) DropCommit(c Commit) *Fault { return g.commits.arm(c.K, c) }

// The first message of a client has a length and a code in place of a type.
const (
	pgCancel = 80877102
	pgSSL    = 80877103
	pgGSS    = 80877104
	// pgMaxStartup is PostgreSQL's own limit for it.
	pgMaxStartup = 10000
	// pgHeader is the type and the length, which counts itself but not the type.
	pgHeader = 5
	// pgLook is how much of a message is looked at: the name of a statement, and its SQL if that is as
	// short as a COMMIT.
	pgLook = 1 << 10
)

// pgConn is one connection. All but lost belongs to the direction to the server.
type pgConn struct {
	commits *faults[Commit]
	app     string
	// statements and portals are the names of those that would commit.
	statements, portals map[string]bool
	// lost is the fault that swallows the answer which is on its way.
	lost atomic.Pointer[Fault]
}

func (c *pgConn) up(s *stream) error {
	if cancels, err := c.start(s); err != nil {
		return err
	} else if cancels {
		return passAll(s)
	}
	for {
		if err := c.request(s); err != nil {
			return err
		}
	}
}

// start forwards requests for encryption and the start-up message, or one that cancels a query of
// another connection.
func (c *pgConn) start(s *stream) (cancels bool, err error) {
	for {
		head, err := s.in.Peek(8)
		if err != nil {
			return false, err
		}
		size, code := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
		if size < 8 || size > pgMaxStartup {
			return false, fmt.Errorf("a start-up message of %d bytes", size)
		}
		packet, err := s.in.Peek(int(size))
		if err != nil {
			return false, err
		}
		encrypts := code == pgSSL || code == pgGSS
		if !encrypts && code != pgCancel {
			c.app = parameter(packet[8:], "application_name")
		}
		if err := s.pass(int64(size)); err != nil || !encrypts {
			return code == pgCancel, err
		}
	}
}

// parameter finds a value in a list of names and values that each end with a zero byte.
func parameter(list []byte, name string) string {
	fields := strings.Split(string(list), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == name {
			return fields[i+1]
		}
	}
	return ""
}

// request forwards or loses one message of the client.
func (c *pgConn) request(s *stream) error {
	kind, body, size, err := pgPeek(s)
	if err != nil {
		return err
	}
	if !c.isCommit(kind, body) {
		return s.pass(size)
	}
	spec, f := c.commits.next(func(w Commit) bool { return w.App == "" || w.App == c.app })
	switch {
	case f == nil:
	case spec.When == Before:
		return s.strike(f)
	default:
		c.lost.Store(f) // before the server can answer
	}
	return s.pass(size)
}

// isCommit reports whether a message makes the server commit, and remembers what later ones refer to.
func (c *pgConn) isCommit(kind byte, body []byte) bool {
	first, rest, _ := bytes.Cut(body, []byte{0})
	second, _, _ := bytes.Cut(rest, []byte{0})
	switch kind {
	case 'Q': // the SQL
		return commits(first)
	case 'P': // Parse: statement, SQL
		mark(c.statements, string(first), commits(second))
	case 'B': // Bind: portal, statement
		mark(c.portals, string(first), c.statements[string(second)])
	case 'E': // Execute: portal
		return c.portals[string(first)]
	case 'C': // Close: S or P, and the name
		if name, ok := bytes.CutPrefix(first, []byte("S")); ok {
			delete(c.statements, string(name))
		}
	}
	return false
}

func mark(names map[string]bool, name string, yes bool) {
	if yes {
		names[name] = true
		return
	}
	delete(names, name)
}

// commits reports whether sql is a COMMIT, under any of its names, and nothing else.
func commits(sql []byte) bool {
	words := strings.Fields(strings.ToLower(strings.TrimRight(string(sql), "; \t\r\n")))
	if len(words) == 0 || (words[0] != "commit" && words[0] != "end") {
		return false
	}
	return len(words) == 1 || words[1] == "work" || words[1] == "transaction" || words[1] == "and"
}

func (c *pgConn) down(s *stream) error {
	if err := c.passEncryptionAnswers(s); err != nil {
		return err
	}
	for {
		kind, body, size, err := pgPeek(s)
		if err != nil {
			return err
		}
		if f := c.lost.Load(); f != nil && answersCommit(kind, body) {
			return s.strike(f)
		}
		if err := s.pass(size); err != nil {
			return err
		}
	}
}

// passEncryptionAnswers forwards the bare bytes that answer requests for encryption. Neither a notice
// (N) nor a parameter (S) can come first, so there is no doubt what they are.
func (c *pgConn) passEncryptionAnswers(s *stream) error {
	for {
		first, err := s.in.Peek(1)
		if err != nil {
			return err
		}
		switch first[0] {
		case 'N':
			if err := s.pass(1); err != nil {
				return err
			}
		case 'S', 'G':
			return errors.New("the server wants to encrypt, and then no COMMIT can be seen: turn that off")
		default:
			return nil
		}
	}
}

// answersCommit reports whether a message of the server says what became of a COMMIT. Earlier
// statements of a pipeline have other tags.
func answersCommit(kind byte, body []byte) bool {
	tag, _, _ := bytes.Cut(body, []byte{0})
	switch kind {
	case 'C': // CommandComplete; ROLLBACK is the answer in a transaction that has failed
		return string(tag) == "COMMIT" || string(tag) == "ROLLBACK"
	case 'E': // ErrorResponse
		return true
	}
	return false
}

// pgPeek looks at the next message: its type, the beginning of its body, and its whole size.
func pgPeek(s *stream) (kind byte, body []byte, size int64, err error) {
	head, err := s.in.Peek(pgHeader)
	if err != nil {
		return 0, nil, 0, err
	}
	kind, length := head[0], binary.BigEndian.Uint32(head[1:])
	if length < pgHeader-1 {
		return 0, nil, 0, fmt.Errorf("a message %q of %d bytes", kind, length)
	}
	size = int64(length) + 1
	start, err := s.in.Peek(int(min(size, pgLook)))
	if err != nil {
		return 0, nil, 0, err
	}
	return kind, start[pgHeader:], size, nil
}
