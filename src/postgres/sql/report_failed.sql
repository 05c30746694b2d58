-- SPDX-License-Identifier: MIT
-- Makes rows FAILED whose dead letters were delivered. $1 to $5: see delivered; then arrays of equal
-- length: $6 seq, $7 reason. Returns at least one row: whether the history goes on, and a row that was
-- due but locked, if any. A row that somebody has locked is not waited for.
--
-- A seq alone says nothing: in a table that was restored another row may have it (I11). So each has to
-- be delivered by what the position of its lane says.
WITH @delivered@,
due AS MATERIALIZED (
    SELECT o.seq FROM outbox_events o JOIN delivered d ON d.lane = o.lane
    WHERE o.seq = ANY($6::bigint[]) AND o.status IN ('NEW', 'SENT') AND d.goes_on
      AND (pg_visible_in_snapshot(o.xid, d.seen)
           OR (o.seq <= d.last_seq AND pg_visible_in_snapshot(o.xid, d.shown)))
),
held AS MATERIALIZED (
    SELECT seq FROM outbox_events
    WHERE seq = ANY(ARRAY(SELECT seq FROM due)) AND status IN ('NEW', 'SENT')
    FOR UPDATE SKIP LOCKED
),
changed AS (
    UPDATE outbox_events o
    SET status = 'FAILED', processed_at = clock_timestamp(), error_message = v.reason
    FROM unnest($6::bigint[], $7::text[]) AS v(seq, reason)
    WHERE o.seq = v.seq AND o.seq = ANY(ARRAY(SELECT seq FROM held))
      AND o.status IN ('NEW', 'SENT')
    RETURNING 1
)
SELECT history.goes_on, locked.seq
FROM (SELECT goes_on FROM delivered LIMIT 1) history
LEFT JOIN (SELECT seq FROM due WHERE seq NOT IN (SELECT seq FROM held)) locked ON true
