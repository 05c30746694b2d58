-- SPDX-License-Identifier: MIT
-- How many rows of lane $1 are committed and not delivered (I3), as in lane_backlog, whose parameters
-- $2 to $4 it takes. At most $5 are counted, and of the rows that began after $2 the $6 newest are
-- looked at, by transaction.
--
-- A window is delivered by seq, and transactions get theirs about in the order of their ids: so what
-- waits is what is newest, and however much of a large window is delivered, none of it is gone through.
-- What was in progress at $2 or $3 may be older than that, and is looked at besides.
SELECT count(*)
FROM (
    SELECT 1 FROM (
        (SELECT xid, seq FROM outbox_events
         WHERE lane = $1::smallint
           AND xid = ANY(ARRAY(SELECT pg_snapshot_xip($2::pg_snapshot)
                               UNION SELECT pg_snapshot_xip($3::pg_snapshot)))
         LIMIT $6::bigint)
        UNION ALL
        (SELECT xid, seq FROM outbox_events
         WHERE lane = $1::smallint AND xid >= pg_snapshot_xmax($2::pg_snapshot)
           AND xid <> ALL(ARRAY(SELECT pg_snapshot_xip($3::pg_snapshot)))
         ORDER BY lane DESC, xid DESC LIMIT $6::bigint)
    ) newest
    WHERE NOT (pg_visible_in_snapshot(xid, $3::pg_snapshot) AND seq <= $4::bigint)
    LIMIT $5::bigint
) waiting
