// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_OUTBOX_SQL_HPP
#define RESILIENCE_SRC_POSTGRES_OUTBOX_SQL_HPP

#include <cstddef>
#include <string>

namespace resilience::postgres {

/** Settles how the statements that follow in this transaction are planned.

    An outbox changes faster than its statistics: a plan made for an empty table, or for
   one whose rows were all SENT, would read the whole table each time. Every statement has
   a partial index; a nested loop of a batch with itself is never wanted when settling.
*/
inline constexpr const char* plan_by_index_sql =
    "SELECT set_config('enable_seqscan', 'off', true), "
    "set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)";

/** Makes the commit of a claim wait for the disk, whatever the role's own setting is.

    An event that was committed without waiting is flushed with it, so none is delivered
    that a crash of the server could still take back.
*/
inline constexpr const char* claim_durably_sql =
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'";

/** As @ref plan_by_index_sql, and does not wait for the disk.

    Verdicts that a crash of the server undoes make their events come once more. Those of
    one batch at most: the next claim waits, and with it all that was committed before.
*/
inline constexpr const char* plan_settle_sql =
    "SELECT set_config('enable_seqscan', 'off', true), "
    "set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true), "
    "set_config('synchronous_commit', 'off', true)";

/** Lets one relay claim at a time.

    Two claims that begin together would look at the same first rows: the second would
   skip all that the first has locked, and with them the later rows of their keys, and
   return little or nothing. The statement after this one takes its snapshot when the lock
   is held, so it sees the rows of the former holder as PROCESSING and goes on behind
   them. The lock belongs to the table and ends with the transaction.
*/
inline constexpr const char* claim_lock_sql =
    "SELECT pg_advisory_xact_lock(1920165985, 'outbox_events'::regclass::oid::int)";

/** Makes a claim of at most `limit` rows. Parameters: instance, most bytes.

    @li `blocked`: some keys that may not be claimed, so that thousands of rows behind one
        of them cost a look into a hash each. The limit keeps the hash small whatever the
        statistics say; the two probes after it are exact.
    @li The probes are scalar subqueries, which the planner cannot turn into a join: a
   join would read the whole backlog before the first row.
    @li A whole key is held up, not only its rows after the one that holds it up: an
        earlier row can only appear when a slower transaction commits after a faster one
        with a higher `seq`, and then it waits for its turn.
    @li `locked`: a row that somebody else has locked is not waited for, and then the
   later rows of its key are left as well (`in_order`).
    @li `held` asks a hash: a join of the batch with itself becomes a nested loop as soon
        as the statistics expect a single row, and that is quadratic.
    @li The limit is written into the text: the planner must know it.
*/
inline std::string claim_sql(std::size_t limit) {
    return R"(
WITH blocked AS MATERIALIZED (
    (SELECT partition_key FROM outbox_events
     WHERE CASE WHEN status = 'PROCESSING' THEN true END
       AND partition_key IS NOT NULL LIMIT 1000)
    UNION ALL
    (SELECT partition_key FROM outbox_events
     WHERE CASE WHEN status = 'NEW' AND retry_count > 0 THEN true END
       AND available_at > statement_timestamp() AND partition_key IS NOT NULL LIMIT 1000)
), candidates AS MATERIALIZED (
    SELECT seq, partition_key FROM (
        SELECT seq, partition_key,
               sum(bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - bytes AS before
        FROM (
            SELECT e.seq, e.partition_key, pg_column_size(e.event_data) AS bytes
            FROM outbox_events e
            WHERE e.status = 'NEW' AND e.available_at <= statement_timestamp()
              AND (e.partition_key IN (SELECT partition_key FROM blocked)) IS NOT TRUE
              AND (SELECT 1 FROM outbox_events p
                   WHERE CASE WHEN p.status = 'PROCESSING' THEN true END
                     AND p.partition_key = e.partition_key LIMIT 1) IS NULL
              AND (SELECT 1 FROM outbox_events p
                   WHERE CASE WHEN p.status = 'NEW' AND p.retry_count > 0 THEN true END
                     AND p.partition_key = e.partition_key
                     AND p.available_at > statement_timestamp() LIMIT 1) IS NULL
            ORDER BY e.seq LIMIT )" +
           std::to_string(limit) + R"(
        ) due
    ) sized WHERE before < $2
), locked AS MATERIALIZED (
    SELECT seq FROM outbox_events
    WHERE status = 'NEW' AND seq = ANY(ARRAY(SELECT seq FROM candidates))
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE outbox_events
    SET status = 'PROCESSING', claimed_at = statement_timestamp(), claimed_by = $1
    WHERE status = 'NEW' AND seq = ANY(ARRAY(
        SELECT seq FROM (
            SELECT seq, partition_key, held,
                   bool_and(held)
                       OVER (PARTITION BY partition_key ORDER BY seq) AS in_order
            FROM (SELECT seq, partition_key, seq IN (SELECT seq FROM locked) AS held
                  FROM candidates) tried
        ) lockable WHERE held AND (in_order OR partition_key IS NULL)))
    RETURNING *
)
SELECT seq, retry_count, id, aggregate_type, aggregate_id, event_type, event_data, topic,
       partition_key, headers,
       CASE WHEN isfinite(created_at)
            THEN (extract(epoch FROM created_at) * 1000000)::bigint END,
       max_retries
FROM claimed ORDER BY seq)";
}

/// Gives back what a claim took whose answer was lost. Parameters: instance, rows that
/// are known to be held.
inline constexpr const char* release_unknown_sql =
    "UPDATE outbox_events SET status = 'NEW', claimed_at = NULL, claimed_by = NULL "
    "WHERE status = 'PROCESSING' AND claimed_by = $1 AND seq <> ALL($2::bigint[])";

/// Parameters: instance, then arrays of seq, disposition, microseconds, error.
inline constexpr const char* settle_sql = R"(
UPDATE outbox_events o SET
    status = CASE v.disposition WHEN 'sent' THEN 'SENT' WHEN 'failed' THEN 'FAILED'
                                ELSE 'NEW' END,
    processed_at = CASE WHEN v.disposition IN ('sent', 'failed')
                        THEN clock_timestamp() END,
    retry_count = least(2147483647, o.retry_count::bigint
        + CASE WHEN v.disposition IN ('retry', 'failed') THEN 1 ELSE 0 END),
    error_message = CASE v.disposition WHEN 'sent' THEN NULL
                         WHEN 'released' THEN o.error_message ELSE v.error END,
    available_at = CASE WHEN v.disposition = 'retry'
                        THEN clock_timestamp() + v.delay * interval '1 microsecond'
                        ELSE o.available_at END,
    claimed_at = NULL,
    claimed_by = NULL
FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[])
     AS v(seq, disposition, delay, error)
WHERE o.seq = v.seq AND o.status = 'PROCESSING' AND o.claimed_by = $1)";

/// Parameter: the age in milliseconds.
inline constexpr const char* reset_stale_sql =
    "UPDATE outbox_events SET status = 'NEW', claimed_at = NULL, claimed_by = NULL "
    "WHERE status = 'PROCESSING' "
    // Whoever set the status without a time of its own is as old as its row.
    "AND coalesce(claimed_at, created_at) "
    "<= clock_timestamp() - $1::bigint * interval '1 millisecond'";

/// Parameter: where counting stops. The oldest row is taken to be the first in each
/// state.
inline constexpr const char* depth_sql = R"(
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'NEW'
                              LIMIT $1) waiting)
     + (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'PROCESSING'
                              LIMIT $1) held),
       coalesce((SELECT greatest(0, extract(epoch FROM
                            clock_timestamp() - min(created_at)) * 1000)::bigint
                 FROM ((SELECT created_at FROM outbox_events WHERE status = 'NEW'
                        ORDER BY seq LIMIT 1)
                       UNION ALL
                       (SELECT created_at FROM outbox_events WHERE status = 'PROCESSING'
                        ORDER BY seq LIMIT 1)) first WHERE isfinite(created_at)), 0))";

}  // namespace resilience::postgres

#endif
