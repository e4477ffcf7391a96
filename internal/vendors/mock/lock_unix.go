//go:build unix

package mock

import (
	"os"
	"syscall"
)

// lockFile keeps a second vendor off the same ledger: both would decide from memory. The kernel lets
// the lock go with the process, kill -9 included.
func lockFile(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the path comes from the configuration
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // The lock's error says more.
		return nil, err
	}
	return func() { _ = f.Close() }, nil // Closing is what unlocks; nothing was written.
}
