package devstack

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/xencrm/xencrm/internal/errs"
)

const stateFile = "state.json"

// state is what a start remembers for the next: the same ports, so that a browser tab and a
// configured client go on working, and the passwords that the servers' data was made with.
type state struct {
	AdminPassword  string `json:"admin_password"`
	AppPassword    string `json:"app_password"`
	RabbitPassword string `json:"rabbit_password"`
	Ports          Ports  `json:"ports"`

	mu    sync.Mutex
	path  string
	fixed Ports
}

// loadState reads the state of dir, or begins one.
func loadState(dir string, fixed Ports) (*state, error) {
	s := &state{path: filepath.Join(dir, stateFile), fixed: fixed}
	text, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.AdminPassword, s.AppPassword, s.RabbitPassword = rand.Text(), rand.Text(), rand.Text()
	case err != nil:
		return nil, unwritable(s.path, err)
	default:
		if err := json.Unmarshal(text, s); err != nil {
			return nil, errs.Errorf(errs.Invalid, "%s is damaged: delete %s to start anew", s.path, dir)
		}
	}
	return s, s.save()
}

// ports returns the ports as they are now; servers claim theirs side by side.
func (s *state) ports() Ports {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Ports
}

func (s *state) save() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return errs.Wrap(errs.Internal, err, "write the state")
	}
	return writeFile(s.path, append(text, '\n'))
}

const (
	// Chosen ports lie below 32768, where Linux begins to hand out ports for outgoing connections,
	// and above the well-known ports of databases and brokers.
	firstPort, lastPort = 20000, 32000

	portTries = 200
)

// portField selects one of the ports.
type portField func(*Ports) *int

// claim makes sure that each port is free: a fixed one must be, a remembered or new one is chosen
// anew until it is.
func (s *state) claim(what string, fields ...portField) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, field := range fields {
		if fixed := *field(&s.fixed); fixed != 0 {
			if !portFree(fixed) {
				return errs.Errorf(errs.Conflict,
					"port %d, wanted for %s, is taken: stop what listens there, or choose another", fixed, what)
			}
			*field(&s.Ports) = fixed
			continue
		}
		if port := *field(&s.Ports); port != 0 && portFree(port) {
			continue
		}
		port, err := s.choose()
		if err != nil {
			return err
		}
		*field(&s.Ports) = port
	}
	return s.save()
}

// choose returns a free port that no other field has.
func (s *state) choose() (int, error) {
	for range portTries {
		n, err := rand.Int(rand.Reader, big.NewInt(lastPort-firstPort))
		if err != nil {
			return 0, errs.Wrap(errs.Internal, err, "choose a port")
		}
		port := firstPort + int(n.Int64())
		if !s.Ports.has(port) && !s.fixed.has(port) && portFree(port) {
			return port, nil
		}
	}
	return 0, errs.Errorf(errs.Unavailable, "no free port was found between %d and %d", firstPort, lastPort)
}

func (p Ports) has(port int) bool {
	return slices.Contains([]int{p.Postgres, p.Rabbit, p.RabbitManagement, p.RabbitDist, p.Epmd, p.Temporal, p.TemporalUI}, port)
}

// portFree reports whether a server could listen on port. Another may take it before it does: a
// start that fails claims its ports again.
func portFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// writeFile replaces a file as a whole; only we can read it.
func writeFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".write-*") // with mode 0600
	if err != nil {
		return unwritable(path, err)
	}
	_, err = tmp.Write(text)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // The first error says more.
		return unwritable(path, err)
	}
	return nil
}
