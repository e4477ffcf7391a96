-- name: TakeTurns :one
-- Gives how many seconds the first of the turns is away; the others follow it. clock_timestamp, and not now:
-- who waited for another's update reads the clock after it.
UPDATE vendor_turns
SET next_at = least(greatest(next_at, clock_timestamp() - make_interval(secs => @catch_up::float8)),
                    clock_timestamp() + make_interval(secs => @most_ahead::float8)) + make_interval(secs => @taken::float8)
RETURNING (extract(epoch FROM next_at - clock_timestamp()) - @taken::float8)::float8 AS seconds_away;
