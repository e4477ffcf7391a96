package failpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// facility is what one process knows while failpoints are on. Its bookkeeping panics when it fails:
// a test that cannot tell what fired proves nothing.
type facility struct {
	role, dir string

	mu     sync.Mutex
	plan   plan
	loaded os.FileInfo // of the plan; nil when there was none
	counts map[Name]int
}

func newFacility(role, dir string) (*facility, error) {
	// Relative to where the process was started, whatever becomes of its working directory.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, errs.Errorf(errs.Invalid, "XENCRM_FAILPOINTS: %w", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() { //nolint:gosec // whoever starts the process chooses it
		return nil, errs.Errorf(errs.Invalid, "XENCRM_FAILPOINTS=%s must be a directory that exists", dir)
	}
	return &facility{role: role, dir: dir, plan: noPlan(), counts: map[Name]int{}}, nil
}

// hit counts, performs what is planned for this hit, and reports whether the caller is to give an error.
func (f *facility) hit(name Name, mayErr bool) bool {
	a, fires := f.note(name, mayErr)
	return fires && perform(a) // outside of the lock: who sleeps holds up nobody
}

// note records the hit and reports what fires now.
func (f *facility) note(name Name, mayErr bool) (action, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reload()
	f.counts[name]++
	f.appendHit(name)
	a, planned := f.plan.actions[name]
	if !planned || f.counts[name] != a.at || (a.kind == actionErr && !mayErr) {
		return a, false
	}
	return a, f.claim(name)
}

// reload reads the plan when the file is another than it was. The file is replaced by renaming, so
// what is read is never half of one.
func (f *facility) reload() {
	path := filepath.Join(f.dir, "plan")
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if f.loaded != nil {
			f.adopt(noPlan(), nil)
		}
		return
	case err != nil:
		panic(fmt.Sprintf("failpoint: look at the plan: %v", err))
	}
	if same(f.loaded, info) {
		return
	}
	text, err := os.ReadFile(path) //nolint:gosec // the directory is that of the test that set us up
	if err != nil {
		panic(fmt.Sprintf("failpoint: read the plan: %v", err))
	}
	p, err := parsePlan(string(text))
	if err != nil {
		fmt.Fprintf(os.Stderr, "failpoint: plan %s ignored: %v\n", path, err)
		p = noPlan()
	}
	f.adopt(p, info)
}

func (f *facility) adopt(p plan, info os.FileInfo) {
	f.plan, f.loaded = p, info
	clear(f.counts)
}

// same reports whether a file is what it was: one that was renamed into place has another inode.
func same(a, b os.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// appendHit adds one byte: the size of the file is the number of hits over all processes.
func (f *facility) appendHit(name Name) {
	f.write("hits", name, os.O_APPEND, ".")
}

// claim makes the record of firing before the point acts, and reports whether this hit may act: of all
// processes and restarts under one plan, one does.
func (f *facility) claim(name Name) bool {
	return f.write("fired", name, os.O_EXCL, fmt.Sprintf("%s %d %d\n", f.role, os.Getpid(), time.Now().UnixNano()))
}

// write writes a record of the current plan and reports false when it is there already and must not be.
func (f *facility) write(kind string, name Name, flag int, text string) bool {
	path := filepath.Join(f.dir, kind, f.plan.id, string(name))
	file, err := openRecord(path, flag)
	if errors.Is(err, fs.ErrExist) {
		return false
	}
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		panic(fmt.Sprintf("failpoint: record %s: %v", name, err))
	}
	return true
}

// openRecord makes the record's directory when it is missing, which is once a plan.
func openRecord(path string, flag int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o644) //nolint:gosec // made of names of ours
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the test that reads it may be another user's
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o644) //nolint:gosec // as above
}
