package mcpbridge

import (
	"bytes"
	"errors"
	"io"
)

// eachEvent hands on the data of every server-sent event until the stream ends or take errs. The other
// fields are for resuming a stream that broke, which the server does not offer: a request whose stream
// breaks is lost. An event that the end cuts off is dropped, as the format wants it.
func eachEvent(stream io.Reader, take func(data []byte) error) error {
	in := newLines(stream)
	var data []byte
	for {
		line, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(line) == 0:
			if err := dispatch(data, take); err != nil {
				return err
			}
			data = nil
		}
		if text, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if len(data)+len(text) > maxMessage {
				return errTooLong
			}
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(text, []byte(" "))...)
		}
	}
}

// dispatch leaves out events without data, which keep connections alive.
func dispatch(data []byte, take func([]byte) error) error {
	if len(data) == 0 {
		return nil
	}
	return take(data)
}
