-- SPDX-License-Identifier: MIT
-- How many rows of lane $1 are committed and not delivered (I3), and the age of the oldest in
-- microseconds: not visible in the snapshot $2, nor visible in $3 with a seq of at most $4. At most
-- $5 are counted.
--
-- Found by transaction as in window_sorted; what is delivered is not looked at, but for the part of
-- the window that is.
SELECT count(*),
       CASE WHEN count(*) > 0
            THEN (extract(epoch FROM greatest(clock_timestamp() - min(created_at), '0'::interval))
                  * 1000000)::bigint END
FROM (
    SELECT created_at FROM (
        SELECT created_at, xid, seq FROM outbox_events
        WHERE lane = $1::smallint
          AND xid = ANY(ARRAY(SELECT pg_snapshot_xip($2::pg_snapshot)))
        UNION ALL
        SELECT created_at, xid, seq FROM outbox_events
        WHERE lane = $1::smallint AND xid >= pg_snapshot_xmax($2::pg_snapshot)
    ) not_seen
    WHERE NOT (pg_visible_in_snapshot(xid, $3::pg_snapshot) AND seq <= $4::bigint)
    LIMIT $5::bigint
) waiting
