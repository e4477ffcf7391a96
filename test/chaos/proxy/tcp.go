package proxy

// TCP forwards bytes that it does not look at.
type TCP struct{ *line }

// NewTCP starts a proxy to the host and port that upstream gives, which is asked for every
// connection. It listens on a free port of 127.0.0.1.
func NewTCP(upstream func() string) (*TCP, error) {
	l, err := newLine(upstream, func() (up, down forwarder) { return passAll, passAll })
	if err != nil {
		return nil, err
	}
	return &TCP{l}, nil
}

// passAll forwards whatever comes until the end.
func passAll(s *stream) error {
	for {
		if err := s.passSome(); err != nil {
			return err
		}
	}
}
