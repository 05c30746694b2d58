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
SELECT @event_columns@
FROM claimed ORDER BY seq
