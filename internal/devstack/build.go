package devstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	rootModule = "module github.com/xencrm/xencrm"

	// buildNews is how often a person who waits for the build hears of it.
	buildNews = 15 * time.Second
)

// temporalBinary returns the path of a built Temporal server, building it when there is none for
// this source yet.
func temporalBinary(ctx context.Context, o *Options) (string, error) {
	if o.TemporalBinary != "" {
		if _, err := os.Stat(o.TemporalBinary); err != nil {
			return "", errs.Errorf(errs.Unavailable, "the Temporal server %s is missing: build it, or leave the choice to XenCRM", o.TemporalBinary)
		}
		if !strings.HasPrefix(filepath.Base(o.TemporalBinary), temporalName) {
			return "", errs.Errorf(errs.Invalid, "the Temporal server %s must have a name that begins with %s: "+
				"what a killed run leaves behind is known by its name", o.TemporalBinary, temporalName)
		}
		return filepath.Abs(o.TemporalBinary)
	}
	source, err := temporalSource(o)
	if err != nil {
		return "", err
	}
	sum, err := hashSource(source)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(o.BinDir, temporalName+"-"+sum)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := makeDir(o.BinDir, 0o755); err != nil {
		return "", err
	}
	// Packages under test, or a test and a demo, want it at once: one builds, the others wait.
	lock, err := waitLock(ctx, filepath.Join(o.BinDir, "build.lock"), 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() //nolint:errcheck // Closing is what unlocks.
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	return binary, build(ctx, o, source, binary)
}

// temporalSource finds dev/temporal: in Options, else in the checkout above the working directory.
func temporalSource(o *Options) (string, error) {
	if o.TemporalSource != "" {
		return o.TemporalSource, nil
	}
	root, err := Checkout()
	if err != nil {
		return "", errs.Errorf(errs.Unavailable,
			"the Temporal server is built from a checkout of XenCRM: run inside one, or set TEMPORAL_ADDRESS")
	}
	return filepath.Join(root, "dev", "temporal"), nil
}

// Checkout returns the root of the checkout that the working directory is in.
func Checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", errs.Wrap(errs.Internal, err, "find the working directory")
	}
	for ; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			if first, _, _ := strings.Cut(string(mod), "\n"); strings.TrimSpace(first) == rootModule {
				return dir, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", errs.Errorf(errs.NotFound, "no checkout of XenCRM was found above the working directory")
		}
	}
}

// hashSource names what a build would come from: two checkouts with the same source share it.
func hashSource(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go")) // sorted
	if err != nil {
		return "", errs.Wrap(errs.Internal, err, "list the Temporal server's source")
	}
	files = append(files, filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	sum := sha256.New()
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			return "", errs.Errorf(errs.Unavailable, "the Temporal server's source %s cannot be read: set TEMPORAL_ADDRESS", file)
		}
		_, err = io.Copy(sum, f)
		_ = f.Close() // Only read.
		if err != nil {
			return "", errs.Wrap(errs.Internal, err, "read "+file)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

// build compiles the server under another name and renames it, so that what has the right name is
// complete.
func build(ctx context.Context, o *Options, source, binary string) error {
	goTool, err := o.host.lookPath("go")
	if err != nil {
		return errs.Errorf(errs.Unavailable,
			"Go is needed to build the Temporal server, once: install Go, or set TEMPORAL_ADDRESS")
	}
	o.Progress("building the Temporal server, once: about five minutes")
	draft := binary + ".new"
	// Without symbols: nobody debugs it here, and 70 MB less are written. No other flag: what
	// "go build" in the module has compiled is used.
	cmd := exec.CommandContext(ctx, goTool, "build", "-ldflags=-s -w", "-o", draft, ".")
	cmd.Dir = source
	// The module stands alone, also when its checkout lies inside a workspace.
	cmd.Env = append(os.Environ(), "GOWORK=off")
	stop := tellTime(o)
	out, err := cmd.CombinedOutput()
	took := stop()
	if ctx.Err() != nil {
		return errs.Errorf(errs.Unavailable, "building the Temporal server was interrupted; what is compiled is kept for the next time")
	}
	if err != nil {
		return errs.Errorf(errs.Unavailable, "the Temporal server does not build (%s): see 'go build' in %s, or set TEMPORAL_ADDRESS",
			lastLine(string(out)), source)
	}
	removeOlder(binary)
	if err := os.Rename(draft, binary); err != nil {
		return unwritable(binary, err)
	}
	o.Progress(fmt.Sprintf("built the Temporal server in %s", took))
	return nil
}

// removeOlder frees the 150 MB of each earlier version. One that runs goes on running.
func removeOlder(binary string) {
	old, err := filepath.Glob(filepath.Join(filepath.Dir(binary), temporalName+"-????????????"))
	if err != nil {
		return
	}
	for _, path := range old {
		_ = os.Remove(path) // It only takes space.
	}
}

// tellTime reports the elapsed time until the returned function is called, which gives the total.
func tellTime(o *Options) (stop func() time.Duration) {
	begin := time.Now()
	elapsed := func() time.Duration { return time.Since(begin).Round(time.Second) }
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(buildNews)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				o.Progress(fmt.Sprintf("building the Temporal server, once: %s elapsed, about five minutes in all", elapsed()))
			}
		}
	}()
	return func() time.Duration {
		close(quit)
		<-ended
		return elapsed()
	}
}
