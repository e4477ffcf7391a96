package api

import (
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowBody gives bytes at a pace, as a connection does that has a deadline.
type slowBody struct {
	each     time.Duration
	bytes    int
	deadline time.Time
}

func (b *slowBody) extend(to time.Time) error {
	b.deadline = to
	return nil
}

func (b *slowBody) Read(p []byte) (int, error) {
	time.Sleep(b.each) // virtual time of synctest
	if time.Now().After(b.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return min(b.bytes, len(p)), nil
}

func TestPacedReader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		body slowBody
		// ours is what we do between two reads.
		ours time.Duration
		want error
	}{
		{"AByteNowAndThenIsCutOff", slowBody{each: time.Second, bytes: 1}, 0, os.ErrDeadlineExceeded},
		{"ThePaceOfASlowLineIsNot", slowBody{each: time.Second, bytes: 4 << 10}, 0, nil},
		{"TheTimeThatWeTakeIsOurs", slowBody{each: time.Second, bytes: 4 << 10}, time.Hour, nil},
		{"SilenceIsCutOff", slowBody{each: pieceTimeout + time.Second, bytes: pieceSize}, 0, os.ErrDeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &pacedReader{source: &tt.body, extend: tt.body.extend}
				var err error
				for total := 0; err == nil && total < 10*pieceSize; {
					var n int
					n, err = io.ReadFull(r, make([]byte, 8<<10))
					total += n
					time.Sleep(tt.ours) // virtual time of synctest
				}
				if tt.want == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, tt.want)
				}
			})
		})
	}
}
