-- SPDX-License-Identifier: MIT
-- Makes a row FAILED that was never claimed. $1: the row. $2: the reason.
UPDATE outbox_events SET
    status = 'FAILED',
    processed_at = clock_timestamp(),
    retry_count = least(2147483647, retry_count::bigint + 1),
    error_message = $2
WHERE seq = $1 AND status = 'NEW'
