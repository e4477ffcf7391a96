package devstack

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// childPath is where the servers' start scripts find the tools they call. It is fixed so that a
// server starts the same from a terminal, from a test and from an editor.
const childPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// host is what devstack asks about the machine. Tests replace it to play a machine on which
// something is missing.
type host struct {
	glob     func(pattern string) ([]string, error)
	lookPath func(name string) (string, error)
	root     bool
}

func newHost() *host {
	return &host{glob: filepath.Glob, lookPath: exec.LookPath, root: os.Geteuid() == 0}
}

// newest returns the last match of the patterns, the first pattern that matches winning: versions
// stand in the path, and of several PostgreSQL installations the newest is taken.
func (h *host) newest(patterns ...string) string {
	for _, p := range patterns {
		found, err := h.glob(p)
		if err != nil || len(found) == 0 {
			continue
		}
		slices.SortFunc(found, func(a, b string) int {
			return versionIn(a) - versionIn(b)
		})
		return found[len(found)-1]
	}
	return ""
}

// versionIn returns the first whole number in a path, such as 15 in /usr/lib/postgresql/15/bin.
func versionIn(path string) int {
	isDigit := func(r rune) bool { return r >= '0' && r <= '9' }
	digits := path[max(strings.IndexFunc(path, isDigit), 0):]
	if end := strings.IndexFunc(digits, func(r rune) bool { return !isDigit(r) }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// account is the user under which servers run when we are root.
type account struct {
	name     string
	uid, gid uint32
}

// serverAccount returns the account for the servers, nil when we are not root and they run as us.
// PostgreSQL refuses to run as root, and nothing else should. The packages bring the first two;
// nobody exists everywhere.
func (h *host) serverAccount() *account {
	if !h.root {
		return nil
	}
	for _, name := range []string{"postgres", "rabbitmq", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &account{name: name, uid: uint32(uid), gid: uint32(gid)}
		}
	}
	// 65534 is nobody's number on every Linux.
	return &account{name: "nobody", uid: 65534, gid: 65534}
}
