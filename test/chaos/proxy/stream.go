package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"net"
)

// bufferSize is what a direction holds at most, once as read and once as not yet written: as much as
// a loopback socket gives in one read, and far more than any part of a message that is looked at.
// Whatever is longer streams through.
const bufferSize = 64 << 10

// errStruck ends a connection that a fault has struck.
var errStruck = errors.New("struck by a fault")

// stream is one direction of a connection. Written bytes leave when the buffer is full or before
// the next read that may block, so a message costs no write of its own.
type stream struct {
	in  *bufio.Reader
	out *bufio.Writer
	l   *line
	p   *pair
	dst net.Conn
}

func newStream(l *line, p *pair, dst, src net.Conn) *stream {
	out := bufio.NewWriterSize(&gatedWriter{l, p, dst}, bufferSize)
	return &stream{in: bufio.NewReaderSize(&flushingReader{out, src}, bufferSize), out: out, l: l, p: p, dst: dst}
}

// gatedWriter writes chunks when the line lets them pass.
type gatedWriter struct {
	l   *line
	p   *pair
	dst net.Conn
}

func (w *gatedWriter) Write(b []byte) (int, error) {
	w.l.pass(w.p)
	return w.dst.Write(b)
}

// flushingReader sends out what is written before it waits for more.
type flushingReader struct {
	out *bufio.Writer
	src net.Conn
}

func (r *flushingReader) Read(b []byte) (int, error) {
	if err := r.out.Flush(); err != nil {
		return 0, err
	}
	return r.src.Read(b)
}

// passSome forwards what has arrived, at least one byte.
func (s *stream) passSome() error {
	if _, err := s.in.Peek(1); err != nil {
		return err
	}
	return s.pass(int64(s.in.Buffered()))
}

// pass forwards the next n bytes. It is not io.CopyN, in which the writer reads: the read flushes
// that very writer.
func (s *stream) pass(n int64) error {
	for n > 0 {
		if _, err := s.in.Peek(1); err != nil {
			return err
		}
		chunk, err := s.in.Peek(int(min(n, int64(s.in.Buffered()))))
		if err != nil {
			return err
		}
		if _, err := s.out.Write(chunk); err != nil {
			return err
		}
		if _, err := s.in.Discard(len(chunk)); err != nil {
			return err
		}
		n -= int64(len(chunk))
	}
	return nil
}

// end forwards the end of the source, after a last message that may be a part only.
func (s *stream) end() error {
	if err := s.pass(int64(s.in.Buffered())); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	s.l.pass(s.p)
	half, ok := s.dst.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("a %T cannot be closed in one direction", s.dst)
	}
	return half.CloseWrite()
}

// strike sends what came before the lost message, and counts f before the peers can notice.
func (s *stream) strike(f *Fault) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	f.struck.Add(1)
	return errStruck
}
