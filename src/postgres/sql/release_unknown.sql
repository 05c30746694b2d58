-- SPDX-License-Identifier: MIT
-- Gives back what a claim took whose answer was lost. $1: the instance. $2: rows that it is known to
-- hold.
UPDATE outbox_events SET @free@
WHERE status = 'PROCESSING' AND claimed_by = $1 AND seq <> ALL($2::bigint[])
