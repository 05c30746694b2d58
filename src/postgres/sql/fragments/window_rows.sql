-- SPDX-License-Identifier: MIT
-- The rows of a window, found by transaction: `seq` and `bytes` of those of the lane $1 that are
-- visible in the snapshot $3, not in $2, with a seq above $4, in no order.
--
-- Its cost is that of what the window holds, however many rows are older, dead, or kept from being
-- cleaned by somebody's snapshot. Something is added to seq so that no plan takes the index on it: it
-- would go through all that is old.
-- What was in progress at $2 and is over by $3. One transaction at a time: of a list the planner may
-- think that few rows of the lane are worth looking into, and keep to that when there are many.
SELECT seq + 0 AS seq, pg_column_size(event_data) AS bytes
FROM pg_snapshot_xip($2::pg_snapshot) AS open (xid)
CROSS JOIN LATERAL (
    SELECT seq, event_data FROM outbox_events
    WHERE lane = $1::smallint AND xid = open.xid
    -- Keeps the planner from joining by the lane alone.
    OFFSET 0
) written
WHERE pg_visible_in_snapshot(open.xid, $3::pg_snapshot)
  AND seq + 0 > $4::bigint
UNION ALL
-- What began after $2 and is over by $3.
SELECT seq + 0, pg_column_size(event_data) FROM outbox_events
WHERE lane = $1::smallint
  AND xid >= pg_snapshot_xmax($2::pg_snapshot)
  AND xid < pg_snapshot_xmax($3::pg_snapshot)
  AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
  AND seq + 0 > $4::bigint
