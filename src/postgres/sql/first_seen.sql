-- SPDX-License-Identifier: MIT
-- A snapshot that shows, of the rows of lane $1, those that are finished and none that waits. Returns
-- whether rows are held by a claim, a transaction some of whose rows are finished and some not, if
-- any, the snapshot, how many transactions it names as not over, and how many have rows that wait.
--
-- One statement: rows and transactions in progress are seen at one moment. The snapshot ends behind
-- the last transaction with a finished row, so those that wait behind need not be named.
WITH waiting AS MATERIALIZED (
    SELECT DISTINCT xid FROM outbox_events WHERE status = 'NEW' AND lane + 0 = $1::integer
),
finished AS MATERIALIZED (
    SELECT xid FROM outbox_events
    WHERE lane = $1::smallint AND status IN ('SENT', 'FAILED')
    ORDER BY lane DESC, xid DESC LIMIT 1
),
hidden AS MATERIALIZED (
    SELECT xid FROM waiting WHERE xid <= (SELECT xid FROM finished)
    UNION
    SELECT xid FROM pg_snapshot_xip(pg_current_snapshot()) AS running(xid)
    WHERE xid <= (SELECT xid FROM finished)
),
last AS (
    SELECT ((xid::text)::numeric + 1)::text AS next FROM finished
)
SELECT EXISTS (SELECT 1 FROM outbox_events
               WHERE status = 'PROCESSING' AND lane + 0 = $1::integer),
       -- A value of each, so that no plan compares all with all.
       (SELECT w.xid::text FROM waiting w
        WHERE w.xid <= (SELECT xid FROM finished)
          AND (SELECT true FROM outbox_events o
               WHERE o.lane = $1::smallint AND o.xid = w.xid
                 AND o.status IN ('SENT', 'FAILED') LIMIT 1)
        LIMIT 1),
       coalesce((SELECT coalesce((SELECT min(xid::text::numeric)::text FROM hidden), next)
                        || ':' || next || ':'
                        || coalesce((SELECT string_agg(h.xid::text, ',' ORDER BY h.xid)
                                     FROM hidden h), '')
                 FROM last), ''),
       (SELECT count(*) FROM hidden),
       (SELECT count(*) FROM waiting)
