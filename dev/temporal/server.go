package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	clusterName = "active"
	namespace   = "default"

	// retention keeps closed campaigns in the Web UI over a weekend. The books are in PostgreSQL;
	// nothing of ours depends on a closed history.
	retention = 72 * time.Hour

	// shards is fixed for the life of a database file. One shard allows one write at a time, and
	// so does SQLite: more would only add queues in front of the same lock.
	shards = 1
)

// newServer prepares the database file and builds a server with all four services in this process.
func newServer(o options) (temporal.Server, error) {
	db, err := prepare(o)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(o.ip, 3)
	if err != nil {
		return nil, err
	}
	grpcPorts := map[primitives.ServiceName]int{
		primitives.FrontendService: o.port,
		primitives.HistoryService:  ports[0],
		primitives.MatchingService: ports[1],
		primitives.WorkerService:   ports[2],
	}
	hosts := make(map[primitives.ServiceName]static.Hosts, len(grpcPorts))
	for name, port := range grpcPorts {
		hosts[name] = static.SingleLocalHost(net.JoinHostPort(o.ip, strconv.Itoa(port)))
	}
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: o.logLevel}))
	srv, err := temporal.NewServer(
		temporal.WithConfig(serverConfig(o, db, grpcPorts)),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithDynamicConfigClient(limits()),
	)
	if err != nil {
		return nil, fmt.Errorf("build the Temporal server: %w", err)
	}
	return srv, nil
}

// stores are the databases of a server. SQLite has both in one file.
type stores struct {
	histories, visibility *config.SQL
	shards                int32
}

// prepare makes the databases ready, whichever were asked for.
func prepare(o options) (stores, error) {
	if o.postgres != "" {
		return preparePostgres(o.postgres)
	}
	sql := sqlConfig(o.dbFile)
	return stores{histories: sql, visibility: sql, shards: shards}, prepareDatabase(o.dbFile, sql)
}

func sqlConfig(file string) *config.SQL {
	return &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: file,
		ConnectAttributes: map[string]string{
			"mode": "rwc",
			// With a write-ahead log a commit is one sequential write, and a reader (the Web UI)
			// does not wait for a writer.
			"journal_mode": "wal",
			// NORMAL keeps every commit over a kill -9 of this process and never corrupts the
			// file; a power cut may lose the last commits, which a development server may.
			"synchronous": "normal",
			// A copy of the file taken with the sqlite3 shell holds the lock for a moment: wait
			// for it rather than fail. In milliseconds.
			"busy_timeout": "5000",
		},
	}
}

// prepareDatabase creates the schema in a new file and the namespace where there is none. A schema
// that a killed first start left half done is recognised by its missing namespace table and made
// again: the file is built under another name and only renamed when it is complete.
func prepareDatabase(file string, cfg *config.SQL) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := createDatabase(file); err != nil {
			return err
		}
	}
	return createNamespace(cfg)
}

// createDatabase uses the rollback journal on purpose: with a write-ahead log part of the schema
// would still be in a second file when the first is renamed.
func createDatabase(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("create the directory of the database: %w", err)
	}
	draft := file + ".new"
	if err := os.RemoveAll(draft); err != nil {
		return fmt.Errorf("remove a draft of the database: %w", err)
	}
	cfg := &config.SQL{
		PluginName:        sqliteplugin.PluginName,
		DatabaseName:      draft,
		ConnectAttributes: map[string]string{"mode": "rwc", "journal_mode": "delete"},
	}
	if err := sqlite.SetupSchema(cfg); err != nil {
		return fmt.Errorf("set up the schema: %w", err)
	}
	if err := os.Rename(draft, file); err != nil {
		return fmt.Errorf("put the new database in place: %w", err)
	}
	return nil
}

// createNamespace registers the namespace together with the search attributes that the workflows
// set. They belong to the namespace of a new file only: in an old file they are added through the
// operator service.
func createNamespace(cfg *config.SQL) error {
	ns, err := sqlite.NewNamespaceConfig(clusterName, namespace, false, map[string]enumspb.IndexedValueType{
		"CampaignStatus": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"CampaignName":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"SegmentId":      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	})
	if err != nil {
		return fmt.Errorf("describe the namespace: %w", err)
	}
	ns.Detail.Config.Retention = durationpb.New(retention)
	if err := sqlite.CreateNamespaces(cfg, ns); err != nil {
		return fmt.Errorf("create the namespace: %w", err)
	}
	return nil
}

func serverConfig(o options, db stores, grpcPorts map[primitives.ServiceName]int) *config.Config {
	frontend := net.JoinHostPort(o.ip, strconv.Itoa(o.port))
	services := make(map[string]config.Service, len(grpcPorts))
	for name, port := range grpcPorts {
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: o.ip}}
	}
	return &config.Config{
		Global: config.Global{
			Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: o.ip},
			Metrics:    metricsConfig(o),
		},
		Persistence: config.Persistence{
			DefaultStore:     "histories",
			VisibilityStore:  "visibility",
			NumHistoryShards: db.shards,
			DataStores:       map[string]config.DataStore{"histories": {SQL: db.histories}, "visibility": {SQL: db.visibility}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		PublicClient: config.PublicClient{HostPort: frontend},
	}
}

// metricsConfig serves metrics only when a port was asked for: collecting them costs a few per
// cent, and nobody reads them in a demo.
func metricsConfig(o options) *metrics.Config {
	if o.metricsPort == 0 {
		return nil
	}
	return &metrics.Config{Prometheus: &metrics.PrometheusConfig{
		ListenAddress: net.JoinHostPort(o.ip, strconv.Itoa(o.metricsPort)),
		HandlerPath:   "/metrics",
	}}
}

// freePorts finds n free ports for the services that only talk to each other. All are held open
// until the last is found, so that they differ. Another process may still take one before the
// server does; then the server ends and whoever supervises it starts it again.
func freePorts(ip string, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() //nolint:errcheck // A listener that was never used has nothing to lose.
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
