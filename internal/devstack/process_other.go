//go:build !linux

package devstack

import "syscall"

// supported says that no servers can be started here; explicit addresses work everywhere.
const supported = false

func signalWhenOrphaned(*syscall.SysProcAttr, syscall.Signal) {}
