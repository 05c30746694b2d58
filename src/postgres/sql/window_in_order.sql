-- SPDX-License-Identifier: MIT
-- The next rows of a large window (Q3), found by seq: those of window_sorted, whose parameters $1 to $6
-- it takes, up to the seq $7. The last column tells the bytes up to and with each.
--
-- It stops at the last row that it may return, so a backlog is gone through once, not once for each
-- slice. What lies between its rows, dead or of other windows or lanes, costs as much as they do.
SELECT @event_columns@, before + bytes
FROM (
    SELECT *, @sized@
    FROM (
        SELECT *, pg_column_size(event_data) AS bytes FROM outbox_events
        -- Nothing is added, so that no plan takes the index on the lane: it would sort.
        WHERE lane + 0 = $1::integer
          AND seq > $4::bigint
          AND seq <= $7::bigint
          AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
          AND NOT pg_visible_in_snapshot(xid, $2::pg_snapshot)
        ORDER BY seq LIMIT $6::bigint
    ) first_rows
) sized WHERE before < $5::bigint ORDER BY seq
