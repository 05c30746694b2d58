-- SPDX-License-Identifier: MIT
-- The rows that a claim may take, by ascending seq: `candidates (seq, partition_key)`.
-- $1: most bytes. $2: rows to leave out, together with all of their keys. `:limit`: most rows,
-- written into the text, for the planner must know it.
--
-- A whole key is held up, not only its rows after the one that holds it up: an earlier row can only
-- appear when a slower transaction commits after a faster one with a higher seq, and then it waits
-- for its turn.

-- Some keys that may not be claimed, so that thousands of rows behind one of them cost a look into a
-- hash each. The limits keep the hash small whatever the statistics say; the two probes in
-- `candidates` are exact, and the rows to leave out are few. The CASE conditions are those of the
-- partial indexes, word for word.
blocked AS MATERIALIZED (
    (SELECT partition_key FROM outbox_events
     WHERE CASE WHEN status = 'PROCESSING' THEN true END
       AND partition_key IS NOT NULL LIMIT 1000)
    UNION ALL
    (SELECT partition_key FROM outbox_events
     WHERE CASE WHEN status = 'NEW' AND retry_count > 0 THEN true END
       AND available_at > statement_timestamp() AND partition_key IS NOT NULL LIMIT 1000)
    UNION ALL
    SELECT partition_key FROM outbox_events
    WHERE seq = ANY($2::bigint[]) AND partition_key IS NOT NULL
),
-- What is due and not held up, the first rows only, until their contents reach the limit of bytes.
-- The probes are scalar subqueries, which the planner cannot turn into a join: a join would read the
-- whole backlog before the first row.
candidates AS MATERIALIZED (
    SELECT seq, partition_key FROM (
        SELECT seq, partition_key,
               sum(bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - bytes AS before
        FROM (
            SELECT e.seq, e.partition_key, pg_column_size(e.event_data) AS bytes
            FROM outbox_events e
            WHERE e.status = 'NEW' AND e.available_at <= statement_timestamp()
              AND e.seq <> ALL($2::bigint[])
              AND (e.partition_key IN (SELECT partition_key FROM blocked)) IS NOT TRUE
              AND (SELECT 1 FROM outbox_events p
                   WHERE CASE WHEN p.status = 'PROCESSING' THEN true END
                     AND p.partition_key = e.partition_key LIMIT 1) IS NULL
              AND (SELECT 1 FROM outbox_events p
                   WHERE CASE WHEN p.status = 'NEW' AND p.retry_count > 0 THEN true END
                     AND p.partition_key = e.partition_key
                     AND p.available_at > statement_timestamp() LIMIT 1) IS NULL
            ORDER BY e.seq LIMIT :limit
        ) due
    ) sized WHERE before < $1
)
