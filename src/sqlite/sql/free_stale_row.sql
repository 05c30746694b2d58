-- SPDX-License-Identifier: MIT
-- Frees one row if it is stale. ?1: see stale. ?2: the row.
UPDATE outbox_events SET status = 'NEW', claimed_at = NULL, claimed_by = NULL
WHERE @stale@ AND seq = ?2
