-- SPDX-License-Identifier: MIT
-- Makes a claim and returns its rows. $1, $2, :limit: see candidates. $3: the instance
-- that claims.
WITH @candidates@,
-- A row that somebody else has locked is not waited for.
locked AS MATERIALIZED (
    SELECT seq FROM outbox_events
    WHERE status = 'NEW' AND seq = ANY(ARRAY(SELECT seq FROM candidates))
    FOR UPDATE SKIP LOCKED
),
-- Which rows could be locked. A hash is asked: a join of the batch with itself becomes a nested loop
-- as soon as the statistics expect a single row, and that is quadratic.
tried AS (
    SELECT seq, partition_key, seq IN (SELECT seq FROM locked) AS held FROM candidates
),
-- Behind a row that could not be locked the later rows of its key are left as well.
lockable AS (
    SELECT seq, partition_key, held,
           bool_and(held) OVER (PARTITION BY partition_key ORDER BY seq) AS in_order
    FROM tried
),
claimed AS (
    UPDATE outbox_events
    SET status = 'PROCESSING', claimed_at = statement_timestamp(), claimed_by = $3
    WHERE status = 'NEW' AND seq = ANY(ARRAY(
        SELECT seq FROM lockable WHERE held AND (in_order OR partition_key IS NULL)))
    RETURNING *
)
-- Times are microseconds since 1970. The clock of the program counts nanoseconds in 64 bits; times
-- that it does not reach, and infinite ones, are none here, so that no arithmetic on them fails.
SELECT seq, retry_count, id, aggregate_type, aggregate_id, event_type, event_data, topic,
       partition_key, headers,
       CASE WHEN created_at >= '1678-01-01 00:00:00+00' AND created_at < '2262-01-01 00:00:00+00'
            THEN (extract(epoch FROM created_at) * 1000000)::bigint END,
       max_retries
FROM claimed ORDER BY seq
