// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_OUTBOX_STATEMENTS_HPP
#define RESILIENCE_SQLITE_OUTBOX_STATEMENTS_HPP

namespace resilience::sqlite::statements {

// A look that takes no lock: an idle relay must not keep writers waiting.
inline constexpr const char* any_due =
    "SELECT 1 FROM outbox_events WHERE status = 'NEW' AND available_at <= ?1 LIMIT 1";

// ?1 now in milliseconds, ?2 this source, ?3 rows, ?4 bytes. The keys are compared with
// IS, which the indexes serve, for a key may be NULL.
inline constexpr const char* claim_due = R"sql(
UPDATE outbox_events SET status = 'PROCESSING', claimed_at = ?1, claimed_by = ?2
WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, size, sum(size) OVER (ORDER BY seq) AS upto FROM (
            SELECT due.seq, length(CAST(due.event_data AS BLOB)) AS size
            FROM outbox_events AS due
            WHERE due.status = 'NEW' AND due.available_at <= ?1
              AND NOT EXISTS (
                  SELECT 1 FROM outbox_events AS held
                  WHERE held.status = 'PROCESSING' AND held.seq < due.seq
                    AND held.partition_key IS due.partition_key
                    AND (due.partition_key IS NOT NULL
                         OR held.aggregate_id = due.aggregate_id))
              AND NOT EXISTS (
                  SELECT 1 FROM outbox_events AS later
                  WHERE later.status = 'NEW' AND later.retry_count > 0
                    AND later.available_at > ?1 AND later.seq < due.seq
                    AND later.partition_key IS due.partition_key
                    AND (due.partition_key IS NOT NULL
                         OR later.aggregate_id = due.aggregate_id))
            ORDER BY due.seq LIMIT ?3))
    WHERE upto - size < ?4)
RETURNING seq, id, aggregate_type, aggregate_id, event_type, event_data, topic,
          partition_key, created_at, retry_count, max_retries, headers
)sql";

// ?1 now in milliseconds, ?2 now as text, ?3 this source, ?4 the verdicts: an array of
// [seq, status, failures, delay in milliseconds, error]. Only a released row keeps the
// error of an earlier failure.
inline constexpr const char* apply_verdicts = R"sql(
UPDATE outbox_events SET
    status = verdict.status,
    processed_at = CASE WHEN verdict.status = 'NEW' THEN NULL ELSE ?2 END,
    retry_count = retry_count + verdict.failures,
    error_message = CASE WHEN verdict.status = 'NEW' AND verdict.failures = 0
                         THEN error_message ELSE verdict.error END,
    available_at = ?1 + verdict.delay, claimed_at = NULL, claimed_by = NULL
FROM (SELECT json_extract(value, '$[0]') AS seq, json_extract(value, '$[1]') AS status,
             json_extract(value, '$[2]') AS failures, json_extract(value, '$[3]') AS delay,
             json_extract(value, '$[4]') AS error
      FROM json_each(?4)) AS verdict
WHERE outbox_events.seq = verdict.seq AND outbox_events.status = 'PROCESSING'
  AND outbox_events.claimed_by = ?3
)sql";

inline constexpr const char* free_stale =
    "UPDATE outbox_events SET status = 'NEW', claimed_at = NULL, claimed_by = NULL"
    // Whoever set the status without a time of its own is stale at once.
    " WHERE status = 'PROCESSING' AND coalesce(claimed_at, 0) <= ?1";

// The oldest is the first written: the times are what writers say they are, and sorting
// a long table by them would cost a visit to each row. The + keeps SQLite from walking
// the table by seq until it meets a row that is held.
inline constexpr const char* measure = R"sql(
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'NEW' LIMIT ?1))
     + (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'PROCESSING'
                              LIMIT ?1)),
       (SELECT created_at FROM outbox_events WHERE seq = (SELECT min(seq) FROM (
            SELECT min(seq) AS seq FROM outbox_events WHERE status = 'NEW'
            UNION ALL
            SELECT min(+seq) FROM outbox_events WHERE status = 'PROCESSING')))
)sql";

}  // namespace resilience::sqlite::statements

#endif
