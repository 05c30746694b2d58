-- SPDX-License-Identifier: MIT
-- Writes verdicts to rows that are still this source's. ?1: now in milliseconds. ?2: now as text.
-- ?3: this source. ?4: an array of [seq, status, failures, delay in milliseconds, error].
UPDATE outbox_events SET
    status = verdict.status,
    processed_at = CASE WHEN verdict.status = 'NEW' THEN NULL ELSE ?2 END,
    -- A writer may have stored any number; one that grows too large would be refused.
    retry_count = min(retry_count, 2147483646) + verdict.failures,
    -- Only a released row keeps the error of an earlier failure.
    error_message = CASE WHEN verdict.status = 'NEW' AND verdict.failures = 0
                         THEN error_message ELSE verdict.error END,
    available_at = ?1 + verdict.delay, claimed_at = NULL, claimed_by = NULL
FROM (SELECT json_extract(value, '$[0]') AS seq, json_extract(value, '$[1]') AS status,
             json_extract(value, '$[2]') AS failures, json_extract(value, '$[3]') AS delay,
             json_extract(value, '$[4]') AS error
      FROM json_each(?4)) AS verdict
WHERE outbox_events.seq = verdict.seq AND outbox_events.status = 'PROCESSING'
  AND outbox_events.claimed_by = ?3
