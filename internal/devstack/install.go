package devstack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/xencrm/xencrm/internal/errs"
)

// binaries are the programs that the wanted servers need.
type binaries struct {
	postgres string // directory of initdb, postgres, psql
	rabbit   string // the server's own start script, not the wrapper that insists on its user
	epmd     string // Erlang's port mapper
}

// find looks for binaries in the places of Debian's packages, then of others, then on the path.
func (h *host) find() binaries {
	var b binaries
	// A pgdg or Debian package, Fedora and Arch, Homebrew.
	if initdb := h.newest("/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb"); initdb != "" {
		b.postgres = filepath.Dir(initdb)
	} else if initdb, err := h.lookPath("initdb"); err == nil {
		b.postgres = filepath.Dir(initdb)
	}
	if b.rabbit = h.newest("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server"); b.rabbit == "" {
		if path, err := h.lookPath("rabbitmq-server"); err == nil {
			b.rabbit = path
		}
	}
	if path, err := h.lookPath("epmd"); err == nil {
		b.epmd = path
	} else {
		b.epmd = h.newest("/usr/lib/erlang/erts-*/bin/epmd")
	}
	return b
}

// missing returns the Debian packages that o needs and b lacks.
func (b binaries) missing(o *Options) []string {
	var packages []string
	if o.startsPostgres() && b.postgres == "" {
		packages = append(packages, "postgresql")
	}
	if o.startsRabbit() && (b.rabbit == "" || b.epmd == "") {
		packages = append(packages, "rabbitmq-server")
	}
	return packages
}

// installScript installs the packages in its arguments. Debian starts a service as soon as it is
// installed; policy-rc.d is its way to say no. A policy that is there already stays as it is.
const installScript = `
set -eu
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
apt-get -qq update || echo "the package lists could not all be updated" >&2
apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
`

// installLock keeps two installers from taking each other's policy away. Each user has one: in a
// shared temporary directory nobody may open a file of somebody else.
func installLock() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("xencrm-devstack-install-%d.lock", os.Geteuid()))
}

// ensureBinaries finds what o needs and installs what is missing.
func ensureBinaries(ctx context.Context, o *Options) (binaries, error) {
	b := o.host.find()
	if len(b.missing(o)) == 0 {
		return b, nil
	}
	lock, err := waitLock(ctx, installLock(), 0o600)
	if err != nil {
		return b, err
	}
	defer lock.Close() //nolint:errcheck // Closing is what unlocks.
	// Another process may have installed it while we waited.
	b = o.host.find()
	packages := b.missing(o)
	if len(packages) == 0 {
		return b, nil
	}
	if err := install(ctx, o, packages); err != nil {
		return b, err
	}
	b = o.host.find()
	if left := b.missing(o); len(left) > 0 {
		return b, errs.Errorf(errs.Unavailable,
			"%s installed, but the programs were not found: %s", list(left), instead(left))
	}
	return b, nil
}

func install(ctx context.Context, o *Options, packages []string) error {
	names := list(packages)
	if _, err := o.host.lookPath("apt-get"); err != nil {
		return errs.Errorf(errs.Unavailable,
			"%s not found, and there is no apt-get here: install by hand, or %s", names, instead(packages))
	}
	args := append([]string{"/bin/sh", "-c", installScript, "install"}, packages...)
	if !o.host.root {
		sudo, err := o.host.lookPath("sudo")
		if err == nil {
			err = exec.CommandContext(ctx, sudo, "-n", "true").Run()
		}
		if err != nil {
			return errs.Errorf(errs.Unavailable, "%s not found, and installing needs root: run "+
				"'sudo apt-get install --no-install-recommends %s', or %s",
				names, strings.Join(packages, " "), instead(packages))
		}
		args = append([]string{sudo, "-n"}, args...)
	}
	o.Progress("installing " + names + " with apt-get, once: about half a minute")
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return errs.Errorf(errs.Unavailable, "apt-get could not install %s (%s): install it by hand, or %s",
			names, lastLine(string(out)), instead(packages))
	}
	o.Progress("installed " + names)
	return nil
}

// instead names the addresses that make the packages unnecessary.
func instead(packages []string) string {
	var names []string
	for _, p := range packages {
		switch p {
		case "postgresql":
			names = append(names, "CUSTOMER_DATABASE_URL", "CAMPAIGN_DATABASE_URL")
		case "rabbitmq-server":
			names = append(names, "RABBITMQ_URL")
		}
	}
	return "set " + list(names)
}

// list joins names for a sentence.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// lastLine returns the last line of text that says anything.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
