package devstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/xencrm/xencrm/internal/errs"
)

// elsewhereLink is what Dir holds when the servers' files could not lie there themselves: a link
// to where they are.
const elsewhereLink = "elsewhere"

// place says where things lie. logs and pids are written by us and are always in Dir; the servers'
// own files are there too unless the servers' account cannot get there.
type place struct {
	dir    string // Options.Dir
	state  string // the servers' files, with no symbolic link in it
	logs   string
	pids   string
	tenant *account
}

// newPlace makes the directories below dir.
func newPlace(dir string, tenant *account) (*place, error) {
	p := &place{dir: dir, logs: filepath.Join(dir, "logs"), pids: filepath.Join(dir, "pids"), tenant: tenant}
	for _, d := range []string{dir, p.logs, p.pids} {
		if err := makeDir(d, 0o755); err != nil {
			return nil, err
		}
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	if tenant == nil || tenant.reaches(real) && tenant.owns(real) {
		p.state = real
		return p, nil
	}
	p.state, err = p.elsewhere(real)
	return p, err
}

// elsewhere finds a directory that the servers' account can use when it cannot use Dir, which is
// so below root's home, below a private temporary directory, or on a file system without owners.
// Its name comes from Dir, so that the next start finds it. When the link to it is gone, so is the
// directory that the data belonged to, and the data goes too: who deletes .dev wants a new start.
func (p *place) elsewhere(real string) (string, error) {
	sum := sha256.Sum256([]byte(real))
	name := hex.EncodeToString(sum[:6])
	link := filepath.Join(p.dir, elsewhereLink)
	target, linkErr := os.Readlink(link)
	for _, base := range []string{"/var/lib/xencrm-dev", filepath.Join(os.TempDir(), "xencrm-dev")} {
		state := filepath.Join(base, name)
		if makeDir(base, 0o755) != nil || makeDir(state, 0o711) != nil {
			continue
		}
		if !p.tenant.reaches(state) || !p.tenant.owns(state) {
			continue
		}
		sweep(base, state)
		if linkErr != nil || target != state {
			if err := p.moveTo(link, state); err != nil {
				return "", err
			}
		}
		return state, nil
	}
	return "", errs.Errorf(errs.Unavailable, "user %s, under which the servers run because we are root, "+
		"can use neither %s nor /var/lib nor %s: choose another directory", p.tenant.name, p.dir, os.TempDir())
}

func (p *place) moveTo(link, state string) error {
	if err := endStrays(context.Background(), state); err != nil {
		return err
	}
	if err := os.RemoveAll(state); err != nil {
		return unwritable(state, err)
	}
	if err := makeDir(state, 0o711); err != nil {
		return err
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unwritable(link, err)
	}
	if err := os.Symlink(state, link); err != nil {
		return unwritable(link, err)
	}
	return writeFile(filepath.Join(state, originFile), []byte(link))
}

// originFile names the link that leads to a directory elsewhere.
const originFile = "origin"

// sweep removes the directories below base whose link is gone, and with it the directory that they
// belonged to: nobody would ever find them again. What cannot be removed stays for the next time.
func sweep(base, keep string) {
	states, err := filepath.Glob(filepath.Join(base, "*"))
	if err != nil {
		return
	}
	for _, state := range states {
		link, err := os.ReadFile(filepath.Join(state, originFile))
		if err != nil || state == keep {
			continue
		}
		if target, err := os.Readlink(string(link)); err == nil && target == state {
			continue
		}
		if len(strays(state)) == 0 {
			_ = os.RemoveAll(state)
		}
	}
}

// clear throws away what the servers kept, and the ports and passwords with it.
func (p *place) clear() error {
	for _, name := range []string{postgresName, rabbitName, temporalStateName, stateFile} {
		path := filepath.Join(p.state, name)
		if err := os.RemoveAll(path); err != nil {
			return unwritable(path, err)
		}
	}
	return nil
}

// own makes a directory below the state that belongs to the servers' account, with all that is in
// it: an earlier run may have been under another account.
func (p *place) own(elem ...string) (string, error) {
	dir := filepath.Join(append([]string{p.state}, elem...)...)
	if err := makeDir(dir, 0o700); err != nil {
		return "", err
	}
	if p.tenant == nil || p.tenant.ownsNow(dir) {
		return dir, nil
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(p.tenant.uid), int(p.tenant.gid))
	})
	if err != nil {
		return "", unwritable(dir, err)
	}
	return dir, nil
}

// makeDir makes a directory with exactly this mode; one that exists stays as it is.
func makeDir(path string, mode fs.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return unwritable(path, err)
	}
	// The umask may have taken away what the servers' account needs.
	if err := os.Chmod(path, mode); err != nil {
		return unwritable(path, err)
	}
	return nil
}

// reaches reports whether the account may pass through every directory of path.
func (a *account) reaches(path string) bool {
	for dir := path; ; dir = filepath.Dir(dir) {
		if !a.mayPass(dir) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

func (a *account) mayPass(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case owner.Uid == a.uid:
		return info.Mode()&0o100 != 0
	case owner.Gid == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// owns reports whether files below dir can be given to the account, which some file systems of
// virtual machines refuse.
func (a *account) owns(dir string) bool {
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return false
	}
	defer os.Remove(probe.Name()) //nolint:errcheck // A stray empty file harms nobody.
	defer probe.Close()           //nolint:errcheck // Nothing was written.
	return probe.Chown(int(a.uid), int(a.gid)) == nil && a.ownsNow(probe.Name())
}

func (a *account) ownsNow(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && owner.Uid == a.uid && owner.Gid == a.gid
}
