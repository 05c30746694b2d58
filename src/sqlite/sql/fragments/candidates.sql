-- SPDX-License-Identifier: MIT
-- The rows that a claim may take. ?1: now in milliseconds. ?2: most rows. ?3: most bytes. ?4: a JSON
-- array of rows to leave out, together with all of their keys.
--
-- The keys are compared with IS, which the indexes serve, for a key may be NULL; then the aggregate
-- stands for it.
WITH left_out AS MATERIALIZED (
    SELECT stuck.partition_key, stuck.aggregate_id
    FROM json_each(?4) AS listed CROSS JOIN outbox_events AS stuck ON stuck.seq = listed.value)
SELECT seq FROM (
    SELECT seq, size, sum(size) OVER (ORDER BY seq) AS upto FROM (
        SELECT due.seq, length(CAST(due.event_data AS BLOB)) AS size
        FROM outbox_events AS due
        WHERE due.status = 'NEW' AND due.available_at <= ?1
          -- No row overtakes one of its key that is held,
          AND NOT EXISTS (
              SELECT 1 FROM outbox_events AS held
              WHERE held.status = 'PROCESSING' AND held.seq < due.seq
                AND held.partition_key IS due.partition_key
                AND (due.partition_key IS NOT NULL
                     OR held.aggregate_id = due.aggregate_id))
          -- or that waits for its retry,
          AND NOT EXISTS (
              SELECT 1 FROM outbox_events AS later
              WHERE later.status = 'NEW' AND later.retry_count > 0
                AND later.available_at > ?1 AND later.seq < due.seq
                AND later.partition_key IS due.partition_key
                AND (due.partition_key IS NOT NULL
                     OR later.aggregate_id = due.aggregate_id))
          -- or that is left out.
          AND NOT EXISTS (
              SELECT 1 FROM left_out
              WHERE left_out.partition_key IS due.partition_key
                AND (due.partition_key IS NOT NULL
                     OR left_out.aggregate_id = due.aggregate_id))
        ORDER BY due.seq LIMIT ?2))
WHERE upto - size < ?3
