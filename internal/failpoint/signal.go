package failpoint

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// die ends the process as a power cut would.
func die() {
	signalSelf(syscall.SIGKILL)
	select {} // the kernel is about to end us; nothing may happen in between
}

// stopTakes is how long the kernel may need to stop every thread after it took the signal. It takes
// well under a millisecond; the caller must not run on meanwhile.
const stopTakes = 20 * time.Millisecond

// freeze stops the process until somebody sends SIGCONT.
func freeze() {
	signalSelf(syscall.SIGSTOP)
	time.Sleep(stopTakes)
}

func signalSelf(s syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		panic(fmt.Sprintf("failpoint: send %s to this process: %v", s, err))
	}
}
