-- SPDX-License-Identifier: MIT
-- The next slice of a large window (Q3), found by seq: the same rows as window_sorted, whose
-- parameters it takes.
--
-- It stops at the last row of the slice, so a backlog is gone through once, not once for each slice.
SELECT @event_columns@
FROM (
    SELECT *, @sized@
    FROM (
        SELECT *, pg_column_size(event_data) AS bytes FROM outbox_events
        -- Nothing is added, so that no plan takes the index on the lane: it would sort.
        WHERE lane + 0 = $1::integer
          AND seq > $4::bigint
          AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
          AND NOT pg_visible_in_snapshot(xid, $2::pg_snapshot)
        ORDER BY seq LIMIT $6::bigint
    ) first_rows
) sized WHERE before < $5::bigint ORDER BY seq
