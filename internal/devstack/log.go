package devstack

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
)

const (
	// logLimit is where a log is put aside at the next start; one older log is kept. RabbitMQ
	// writes about 50 kB for each start.
	logLimit = 10 << 20

	// tailSize is how much of a log is read to say why a server ended: a RabbitMQ that cannot
	// start ends with a few screens of Erlang.
	tailSize = 32 << 10
)

// tellingLine finds the line of a log that says why the server ended, in the words of PostgreSQL,
// RabbitMQ and Temporal.
var tellingLine = regexp.MustCompile(`(?m)^.*(FATAL|PANIC|BOOT FAILED|eaddrinuse|\[error\]|"level":"(error|fatal)"|^temporal: ).*$`)

// serverLog is the file that holds what a server prints.
type serverLog struct {
	path string
	mark int64 // its length before the last start
}

// open returns the file for the next start to append to.
func (l *serverLog) open() (*os.File, error) {
	if info, err := os.Stat(l.path); err == nil && info.Size() > logLimit {
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return nil, unwritable(l.path, err)
		}
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, unwritable(l.path, err)
	}
	if l.mark, err = f.Seek(0, io.SeekEnd); err != nil {
		return nil, unwritable(l.path, err)
	}
	return f, nil
}

// said returns the most telling line since the last start.
func (l *serverLog) said() string {
	f, err := os.Open(l.path)
	if err != nil {
		return "it left no log"
	}
	defer f.Close() //nolint:errcheck // Only read.
	text, err := io.ReadAll(io.NewSectionReader(f, l.mark, tailSize))
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return "it said nothing"
	}
	if line := tellingLine.Find(text); line != nil {
		return strings.TrimSpace(string(line))
	}
	return lastLine(string(text))
}
