-- SPDX-License-Identifier: MIT
-- Writes verdicts to rows that are still the instance's. $1: the instance; then arrays of equal
-- length: $2 seq, $3 disposition, $4 delay in microseconds, $5 error.
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
WHERE o.seq = v.seq AND o.status = 'PROCESSING' AND o.claimed_by = $1
