-- SPDX-License-Identifier: MIT
-- Removes delivered rows of at least $9 milliseconds among the first $8 with $6 < seq <= $7. $1 to
-- $5: see delivered. Returns what report_slice does, then the first row that stays and may have to
-- go later, how many rows are younger, and how many of the others are
-- shown FAILED.
--
-- A row goes when its lane's `seen` shows it (I9), which holds for its readers too: whoever reads a
-- window reads what `seen` does not show. Rows shown FAILED stay, and do not count as kept: nothing
-- that comes later lets them go.
WITH @delivered@,
looked AS MATERIALIZED (
    SELECT seq, lane, xid, status,
           CASE WHEN $9::bigint > 0
                THEN created_at > clock_timestamp() - $9::bigint * interval '1 millisecond'
                ELSE false END AS young
    FROM outbox_events
    WHERE seq > $6::bigint AND seq <= $7::bigint
      AND (SELECT goes_on FROM delivered LIMIT 1)
    ORDER BY seq LIMIT $8::bigint
),
due AS MATERIALIZED (
    SELECT l.seq FROM looked l JOIN delivered d ON d.lane = l.lane
    WHERE pg_visible_in_snapshot(l.xid, d.seen) AND NOT l.young AND l.status <> 'FAILED'
),
held AS MATERIALIZED (
    SELECT seq FROM outbox_events
    WHERE seq = ANY(ARRAY(SELECT seq FROM due)) AND status <> 'FAILED'
    FOR UPDATE SKIP LOCKED
),
changed AS (
    DELETE FROM outbox_events WHERE seq = ANY(ARRAY(SELECT seq FROM held)) RETURNING 1
)
SELECT (SELECT goes_on FROM delivered LIMIT 1),
       (SELECT count(*) FROM looked),
       (SELECT coalesce(max(seq), 0) FROM looked),
       (SELECT count(*) FROM changed),
       (SELECT coalesce(min(seq), 0) FROM due WHERE seq NOT IN (SELECT seq FROM held)),
       (SELECT coalesce(min(seq), 0) FROM looked
        WHERE status <> 'FAILED' AND seq NOT IN (SELECT seq FROM held)),
       (SELECT count(*) FROM looked WHERE young),
       (SELECT count(*) FROM looked WHERE status = 'FAILED' AND NOT young)
