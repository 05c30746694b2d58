-- SPDX-License-Identifier: MIT
-- Makes a row FAILED that was never claimed. ?1: now as text. ?2: the row. ?3: the reason.
UPDATE outbox_events SET
    status = 'FAILED', processed_at = ?1, retry_count = min(retry_count, 2147483646) + 1,
    error_message = ?3
WHERE seq = ?2 AND status = 'NEW'
