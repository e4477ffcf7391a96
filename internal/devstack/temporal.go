package devstack

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// temporalName is how the name of the server's program begins; strays and the watchdog know
	// its processes by it. Linux cuts the name of a process after 15 bytes: this one has 12.
	temporalName = "temporal-dev"

	temporalStateName = "temporal"
)

// temporalServer runs the server of dev/temporal.
type temporalServer struct {
	st     *Stack
	binary string
	dir    string
}

func (t *temporalServer) title() string { return "Temporal" }

func (t *temporalServer) ports() Ports { return t.st.state.ports() }

func (t *temporalServer) claim() error {
	return t.st.state.claim(t.title(),
		func(p *Ports) *int { return &p.Temporal },
		func(p *Ports) *int { return &p.TemporalUI },
	)
}

// prepare builds the server if it was not built yet.
func (t *temporalServer) prepare(ctx context.Context) error {
	var err error
	if t.dir, err = t.st.place.own(temporalStateName); err != nil {
		return err
	}
	if t.binary, err = temporalBinary(ctx, t.st.options); err != nil {
		return err
	}
	a := t.st.place.tenant
	real, err := filepath.EvalSymlinks(t.binary)
	if err != nil {
		return unwritable(t.binary, err)
	}
	if a == nil || a.reaches(filepath.Dir(real)) {
		return nil
	}
	// The servers' account cannot get to the cache: give it a copy among its own files.
	t.binary, err = copyOnce(real, filepath.Join(t.st.place.state, "bin"))
	return err
}

func copyOnce(file, dir string) (string, error) {
	target := filepath.Join(dir, filepath.Base(file))
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	// The copy of an older version is of no use any more.
	if err := os.RemoveAll(dir); err != nil {
		return "", unwritable(dir, err)
	}
	if err := makeDir(dir, 0o755); err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", errs.Wrap(errs.Unavailable, err, "read the Temporal server")
	}
	if err := writeFile(target, text); err != nil {
		return "", err
	}
	if err := os.Chmod(target, 0o755); err != nil {
		return "", unwritable(target, err)
	}
	return target, nil
}

func (t *temporalServer) launches() (launch, []launch, error) {
	env := serverEnv("HOME=" + t.dir)
	if t.st.options.TemporalOnPostgres {
		// Not an argument: it holds a password.
		env = append(env, "TEMPORAL_POSTGRES_URL="+t.st.cluster.url(appRole, t.st.state.AppPassword, temporalDatabase))
	}
	return launch{
		path: t.binary,
		args: []string{
			"--db-file", filepath.Join(t.dir, "temporal.db"),
			"--port", strconv.Itoa(t.ports().Temporal),
			"--ui-port", strconv.Itoa(t.ports().TemporalUI),
			"--parent-pid", strconv.Itoa(os.Getpid()),
		},
		env: env, dir: t.dir,
		onOrphaned: syscall.SIGKILL,
	}, nil, nil
}

// probe asks the Web UI for the namespace, which it asks the server for: both must be up.
func (t *temporalServer) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.uiURL()+"/api/v1/namespaces/default", nil)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "ask the Web UI")
	}
	return getOK(req)
}

func (t *temporalServer) started(context.Context) error { return nil }

func (t *temporalServer) address() string { return loopback(t.ports().Temporal) }

func (t *temporalServer) uiURL() string { return "http://" + loopback(t.ports().TemporalUI) }

func (t *temporalServer) stopSignal() syscall.Signal { return syscall.SIGTERM }
