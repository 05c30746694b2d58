-- SPDX-License-Identifier: MIT
-- Makes delivered rows SENT among the first $8 NEW ones with $6 < seq <= $7. $1 to $5: see delivered.
-- Returns whether the history goes on, how many rows were looked at, the last of them, how many were
-- changed, and the first that was due but locked.
--
-- Its cost is that of the rows looked at, wherever they are and whatever is delivered and dead. A row
-- that somebody has locked is not waited for.
WITH @delivered@,
looked AS MATERIALIZED (
    SELECT seq, lane, xid FROM outbox_events
    WHERE status = 'NEW' AND seq > $6::bigint AND seq <= $7::bigint
      AND (SELECT goes_on FROM delivered LIMIT 1)
    ORDER BY seq LIMIT $8::bigint
),
due AS MATERIALIZED (
    SELECT l.seq FROM looked l JOIN delivered d ON d.lane = l.lane
    WHERE pg_visible_in_snapshot(l.xid, d.seen)
       OR (l.seq <= d.last_seq AND pg_visible_in_snapshot(l.xid, d.shown))
),
held AS MATERIALIZED (
    SELECT seq FROM outbox_events
    WHERE status = 'NEW' AND seq = ANY(ARRAY(SELECT seq FROM due))
    FOR UPDATE SKIP LOCKED
),
changed AS (
    UPDATE outbox_events
    SET status = 'SENT', processed_at = clock_timestamp(), error_message = NULL
    WHERE status = 'NEW' AND seq = ANY(ARRAY(SELECT seq FROM held))
    RETURNING 1
)
SELECT (SELECT goes_on FROM delivered LIMIT 1),
       (SELECT count(*) FROM looked),
       (SELECT coalesce(max(seq), 0) FROM looked),
       (SELECT count(*) FROM changed),
       (SELECT coalesce(min(seq), 0) FROM due WHERE seq NOT IN (SELECT seq FROM held))
