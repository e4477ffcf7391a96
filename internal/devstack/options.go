// Package devstack brings up PostgreSQL, RabbitMQ and Temporal for the demo and for tests, with no
// container engine: an explicit address wins, else servers that are installed here, else it
// installs them, else it says in one line what to install.
//
// It owns the servers' processes, ports, passwords and files below one directory, and that nothing
// outlives the process that started it, not even after a kill -9. It reads no environment variable,
// knows no schema, queue or workflow, and is no way to run production.
//
// How the servers end with us, in the order in which each line of defence is reached:
//
//  1. Stop ends them in an orderly way.
//  2. The kernel signals each server when the thread that started it dies (spawner).
//  3. A shell holds the read end of a pipe whose write end only this process has. When the pipe
//     closes it ends every server process that works below our directory (watchdog).
//  4. The next Start in the same directory does the same before it starts anything (strays).
package devstack

import (
	"path/filepath"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// masterDatabase and businessDatabase are the two databases of design section 2. One server
	// carries both: nothing joins across them, so that two servers can later.
	masterDatabase   = "xencrm_master"
	businessDatabase = "xencrm_business"

	// temporalDatabase holds Temporal's histories if they are not in SQLite, and the second its list of
	// workflows; dev/temporal derives the second's name from the first's.
	temporalDatabase           = "temporal"
	temporalVisibilityDatabase = "temporal_visibility"
)

// Options says which servers are wanted and where they may be. Dir is required as soon as a server
// has to be started.
type Options struct {
	// Dir keeps data, logs, pids and chosen ports. One process at a time may use it.
	Dir string

	// Postgres, RabbitMQ and Temporal name the servers that are wanted.
	Postgres, RabbitMQ, Temporal bool

	// The addresses of servers that run already. A server is started only for what is left empty.
	MasterURL, BusinessURL         string
	RabbitURL, RabbitManagementURL string
	TemporalAddress, TemporalUIURL string

	// Ports fixes ports; a zero is chosen and remembered in Dir.
	Ports Ports

	// Supervise starts a server again that ended without being asked to.
	Supervise bool

	// Fresh throws away whatever the servers kept in Dir.
	Fresh bool

	// NoSync lets PostgreSQL answer before its data is on disk, for tests: they create databases
	// by the dozen. A killed process still loses nothing; a power cut may.
	NoSync bool

	// TemporalOnPostgres keeps Temporal's histories in our PostgreSQL, in 16 shards, as a cluster would,
	// and not in a file of SQLite.
	TemporalOnPostgres bool

	// Progress receives one line for each thing that takes a person's time. It may be called from
	// several goroutines.
	Progress func(line string)

	// TemporalSource is the directory dev/temporal; it is found from the working directory when it
	// is empty. TemporalBinary is a server that was built before and wins over the source. BinDir
	// caches what was built; it is Dir/bin when it is empty.
	TemporalSource, TemporalBinary, BinDir string

	// host replaces the machine in tests.
	host *host
}

// Ports are TCP ports on loopback.
type Ports struct {
	Postgres         int `json:"postgres"`
	Rabbit           int `json:"rabbit"`
	RabbitManagement int `json:"rabbit_management"`
	RabbitDist       int `json:"rabbit_dist"`
	Epmd             int `json:"epmd"`
	Temporal         int `json:"temporal"`
	TemporalUI       int `json:"temporal_ui"`
}

const (
	// startTimeout bounds the start of one server once it is installed: RabbitMQ takes five seconds
	// alone and half a minute beside a compiler on two cores.
	startTimeout = 90 * time.Second

	// stopTimeout bounds an orderly stop, after which the server is killed. RabbitMQ takes two to
	// four seconds.
	stopTimeout = 15 * time.Second

	// probeInterval is the pause between two looks at a server that starts.
	probeInterval = 50 * time.Millisecond
)

func (o *Options) applyDefaults() error {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.host == nil {
		o.host = newHost()
	}
	if !o.startsAny() {
		return nil
	}
	if o.Dir == "" {
		return errs.Errorf(errs.Invalid, "name a directory for the servers' data")
	}
	if o.TemporalOnPostgres && !o.startsPostgres() {
		return errs.Errorf(errs.Invalid, "Temporal's histories go into a PostgreSQL that is started here: leave the databases' addresses out")
	}
	if o.BinDir == "" {
		o.BinDir = filepath.Join(o.Dir, "bin")
	}
	// Absolute, because the servers and the compiler run in other directories.
	for _, dir := range []*string{&o.Dir, &o.BinDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return errs.Wrap(errs.Invalid, err, "the directory "+*dir+" cannot be resolved")
		}
		*dir = abs
	}
	return nil
}

func (o *Options) startsPostgres() bool {
	return o.Postgres && (o.MasterURL == "" || o.BusinessURL == "")
}

func (o *Options) startsRabbit() bool { return o.RabbitMQ && o.RabbitURL == "" }

func (o *Options) startsTemporal() bool { return o.Temporal && o.TemporalAddress == "" }

func (o *Options) startsAny() bool {
	return o.startsPostgres() || o.startsRabbit() || o.startsTemporal()
}
