-- SPDX-License-Identifier: MIT
-- Makes rows FAILED whose dead letters were delivered. Arrays of equal length: $1 seq, $2 reason.
UPDATE outbox_events o
SET status = 'FAILED', processed_at = clock_timestamp(), error_message = v.reason
FROM unnest($1::bigint[], $2::text[]) AS v(seq, reason)
WHERE o.seq = v.seq AND o.status IN ('NEW', 'SENT')
