package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// idleTooLong is how long a transaction may wait for its client.
const idleTooLong = "1 minute"

// judgeServer looks at one database's settings, and at what was left open in it for tooLong.
func judgeServer(ctx context.Context, f *findings, tx pgx.Tx, what, tooLong string) error {
	//nolint:rowserrcheck // pgx.ForEachRow checks it
	rows, err := tx.Query(ctx, `SELECT name, setting FROM pg_settings
		WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')`)
	if err != nil {
		return fmt.Errorf("settings of %s: %w", what, err)
	}
	settings := map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		settings[name] = value
		return nil
	})
	if err != nil {
		return fmt.Errorf("settings of %s: %w", what, err)
	}
	judgeSettings(f, settings, what)
	where := strings.NewReplacer("DATABASE", what)
	return f.run(ctx, tx, []query{
		// A role or a database may have settings of its own that our session does not see.
		{id: settingsDurable, text: where.Replace(`
			SELECT format('DATABASE database: some role has %s', setting)
			FROM pg_db_role_setting, unnest(setconfig) AS setting
			WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
			  AND lower(setting) IN ('synchronous_commit=off', 'synchronous_commit=false', 'synchronous_commit=0')`)},
		{id: nothingLeaks, args: []any{applicationName, tooLong}, text: where.Replace(`
			SELECT format('DATABASE database: %s has been %s since %s', coalesce(nullif(application_name, ''), pid::text),
			              state, date_trunc('second', state_change))
			FROM pg_stat_activity
			WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND application_name <> $1
			  AND state_change < now() - $2::text::interval`)},
		{id: nothingLeaks, text: where.Replace(`
			SELECT format('DATABASE database: prepared transaction of %s', prepared)
			FROM pg_prepared_xacts WHERE database = current_database()`)},
	})
}

// judgeSettings refuses what loses acknowledged commits in a crash of the machine.
func judgeSettings(f *findings, settings map[string]string, what string) {
	for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		value := settings[name]
		// synchronous_commit has stronger values than on, and local is durable on this server.
		if value == "" || value == "off" {
			f.add(settingsDurable, "%s database: %s is %q", what, name, value)
		}
	}
}
