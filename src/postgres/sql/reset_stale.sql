-- SPDX-License-Identifier: MIT
-- Frees rows that are stale, whoever holds them. $1: see stale.
UPDATE outbox_events SET @free@
WHERE @stale@
