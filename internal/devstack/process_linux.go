package devstack

import "syscall"

// supported says that servers can be started here: ending them with us needs Linux.
const supported = true

func signalWhenOrphaned(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
