package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/tools/common/schema"
	sqltool "go.temporal.io/server/tools/sql"
)

const (
	// postgresEnv holds the address of the database: an argument would show its password to everyone who
	// lists processes.
	postgresEnv = "TEMPORAL_POSTGRES_URL"

	// visibilitySuffix makes the name of the second database, which lists and searches read.
	visibilitySuffix = "_visibility"

	// postgresShards: each allows one write of a history at a time, and two cores keep no more than some
	// ten sessions busy. It is fixed for the life of a database.
	postgresShards = 16

	// postgresConns bounds each of the two stores; beyond two per shard they would wait for the shards.
	postgresConns = 2 * postgresShards
)

// postgresConfig reads postgres://user:password@host:port/database.
func postgresConfig(address string) (*config.SQL, error) {
	u, err := url.Parse(address)
	if err != nil || u.User == nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return nil, errors.New(postgresEnv + " is no postgres://user:password@host:port/database") // never the password
	}
	password, _ := u.User.Password()
	return &config.SQL{
		PluginName: postgresql.PluginNamePGX, DatabaseName: strings.Trim(u.Path, "/"),
		ConnectAddr: u.Host, ConnectProtocol: "tcp", User: u.User.Username(), Password: password,
		MaxConns: postgresConns, MaxIdleConns: postgresConns,
	}, nil
}

// preparePostgres brings the schemas of both databases, which must exist, to this server's version, and
// makes the namespace. A second call finds nothing to do.
func preparePostgres(address string) (stores, error) {
	histories, err := postgresConfig(address)
	if err != nil {
		return stores{}, err
	}
	second := *histories
	second.DatabaseName += visibilitySuffix
	if err := migrate(histories, "postgresql/v12/temporal"); err != nil {
		return stores{}, err
	}
	if err := migrate(&second, "postgresql/v12/visibility"); err != nil {
		return stores{}, err
	}
	return stores{histories: histories, visibility: &second, shards: postgresShards}, createNamespace(histories)
}

func migrate(sql *config.SQL, name string) error {
	db, err := sqltool.NewConnection(sql, log.NewNoopLogger())
	if err != nil {
		return fmt.Errorf("connect to database %s: %w", sql.DatabaseName, err)
	}
	defer db.Close()
	if _, err := db.ReadSchemaVersion(); err != nil { // an empty database
		setup := &schema.SetupConfig{InitialVersion: "0.0"}
		if err := schema.NewSetupSchemaTask(db, setup, log.NewNoopLogger()).Run(); err != nil {
			return fmt.Errorf("begin the schema of %s: %w", sql.DatabaseName, err)
		}
	}
	update := &schema.UpdateConfig{DBName: sql.DatabaseName, SchemaName: name}
	if err := schema.NewUpdateSchemaTask(db, update, log.NewNoopLogger()).Run(); err != nil {
		return fmt.Errorf("migrate the schema of %s: %w", sql.DatabaseName, err)
	}
	return nil
}
