package mcpbridge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	// maxMessage is the server's limit of a request, in bytes with the end of the line; answers are far
	// below it.
	maxMessage = 4 << 20
	// readBuffer is about what one read of a pipe gives.
	readBuffer = 64 << 10
)

// errTooLong is a line of more than maxMessage bytes, which has been skipped.
var errTooLong = errors.New("the line has more than 4 MiB")

// lines reads lines of bounded length.
type lines struct{ in *bufio.Reader }

func newLines(in io.Reader) *lines { return &lines{bufio.NewReaderSize(in, readBuffer)} }

// next gives the next line without its end, in memory of its own, and io.EOF after the last. After
// errTooLong the line behind the long one is next.
func (l *lines) next() ([]byte, error) {
	line, long := []byte{}, false
	for {
		part, err := l.in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxMessage; !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		switch {
		case long:
			return nil, errTooLong
		case err != nil && (!errors.Is(err, io.EOF) || len(line) == 0):
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}
