package errs_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	tests := []struct {
		name string
		err  error
		code errs.Code
	}{
		{"NilHasNone", nil, ""},
		{"PlainErrorIsInternal", cause, errs.Internal},
		{"OwnCode", errs.Errorf(errs.NotFound, "campaign %d not found", 7), errs.NotFound},
		{"SurvivesWrapping", fmt.Errorf("load: %w", errs.Errorf(errs.Conflict, "busy")), errs.Conflict},
		{"OutermostWins", errs.Wrap(errs.Unavailable, errs.Errorf(errs.Internal, "x"), "database away"), errs.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.code, errs.CodeOf(tt.err))
		})
	}
}

func TestWrapKeepsTheCauseOutOfTheText(t *testing.T) {
	t.Parallel()
	cause := errors.New("password authentication failed for user xencrm")
	err := errs.Wrap(errs.Unavailable, cause, "database away")
	require.Equal(t, "database away", err.Text)
	require.ErrorIs(t, err, cause)
}

func TestTextIsNotRepeated(t *testing.T) {
	t.Parallel()
	err := errs.Errorf(errs.Invalid, "row 7: %w", errors.New("too long"))
	require.Equal(t, "row 7: too long", err.Error())
	require.Equal(t, "away: refused", errs.Wrap(errs.Unavailable, errors.New("refused"), "away").Error())
}
