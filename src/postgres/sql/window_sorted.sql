-- SPDX-License-Identifier: MIT
-- The next slice of a window (Q2), found by transaction: rows of the lane that are visible in the
-- snapshot $3, not in $2, with a seq above $4, by ascending seq (I3, I5). $1: the lane. $5: most
-- bytes. $6: most rows. $7: most rows that are sorted.
--
-- Its cost is that of what the window holds, however many rows are older, dead, or kept from being
-- cleaned by somebody's snapshot. A window of more than $7 rows would be sorted anew for each slice;
-- of such a window one row is returned, which is not the first, and the last column tells:
-- window_in_order is the statement for it.
WITH found AS MATERIALIZED (
    SELECT seq, bytes FROM (
        -- What was in progress at $2 and is over by $3.
        SELECT seq, pg_column_size(event_data) AS bytes FROM outbox_events
        WHERE lane = $1::smallint
          AND xid = ANY(ARRAY(SELECT pg_snapshot_xip($2::pg_snapshot)))
          AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
          -- Nothing is added, so that no plan takes the index on seq for this condition: it would
          -- go through all that is old.
          AND seq + 0 > $4::bigint
        UNION ALL
        -- What began after $2 and is over by $3.
        SELECT seq, pg_column_size(event_data) AS bytes FROM outbox_events
        WHERE lane = $1::smallint
          AND xid >= pg_snapshot_xmax($2::pg_snapshot)
          AND xid < pg_snapshot_xmax($3::pg_snapshot)
          AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
          AND seq + 0 > $4::bigint
    ) both_kinds
    LIMIT $7::bigint + 1
),
slice AS (
    SELECT seq FROM (
        SELECT seq, @sized@
        FROM (
            SELECT seq, bytes FROM found ORDER BY seq
            LIMIT CASE WHEN (SELECT count(*) FROM found) > $7::bigint THEN 1 ELSE $6::bigint END
        ) first_rows
    ) sized WHERE before < $5::bigint
)
SELECT @event_columns@,
       (SELECT count(*) FROM found)
FROM outbox_events WHERE seq = ANY(ARRAY(SELECT seq FROM slice)) ORDER BY seq
