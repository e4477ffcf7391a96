package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

const lockFile = "lock"

// ownerWait is how long a start waits for the directory of a run that has just ended: its watchdog
// needs up to ten seconds with a stubborn PostgreSQL.
const ownerWait = 12 * time.Second

// lockDir takes the directory for this process and writes who it is, for the message of the next.
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	ctx, cancel := context.WithTimeout(ctx, ownerWait)
	defer cancel()
	lock, err := waitLock(ctx, path, 0o600)
	if errs.Is(err, errs.Conflict) {
		owner, readErr := os.ReadFile(path)
		if readErr != nil {
			owner = []byte("another process")
		}
		return nil, errs.Errorf(errs.Conflict,
			"%s is in use by %s: stop that, or choose another directory", dir, strings.TrimSpace(string(owner)))
	}
	if err != nil {
		return nil, err
	}
	if err := lock.Truncate(0); err == nil {
		// The text only serves a message; the lock is what counts.
		_, _ = fmt.Fprintf(lock, "process %d\n", os.Getpid())
	}
	return lock, nil
}

// waitLock takes an exclusive lock on a file, created when missing, and holds it until the file is
// closed, also by the end of the process. It gives Conflict when ctx ends first.
func waitLock(ctx context.Context, path string, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, mode)
	if err != nil {
		return nil, unwritable(path, err)
	}
	err = poll(ctx, func() error { return tryLock(f) })
	if err != nil {
		_ = f.Close() // Nothing was written.
		return nil, err
	}
	return f, nil
}

// InUse reports whether a stack has dir at this moment.
func InUse(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // Closing is what unlocks.
	return tryLock(f) != nil
}

func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errs.Errorf(errs.Conflict, "%s is locked", f.Name())
	}
	if err != nil {
		return errs.Wrap(errs.Internal, err, "lock "+f.Name())
	}
	return nil
}

// unwritable turns an error of the file system into the line that says what to do.
func unwritable(path string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return errs.Errorf(errs.Unavailable, "%s cannot be written: choose a directory that can, or make it writable", path)
	case errors.Is(err, syscall.ENOSPC):
		return errs.Errorf(errs.Unavailable, "no space is left for %s: free some, or choose another directory", path)
	case errors.Is(err, syscall.ENOTDIR):
		return errs.Errorf(errs.Invalid, "%s is not below a directory: choose another", path)
	}
	return errs.Wrap(errs.Internal, err, path+" cannot be used")
}
