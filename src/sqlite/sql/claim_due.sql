-- SPDX-License-Identifier: MIT
-- Makes a claim and returns its rows, in no order. ?1 to ?4: see candidates. ?5: this source.
UPDATE outbox_events SET status = 'PROCESSING', claimed_at = ?1, claimed_by = ?5
WHERE seq IN (
@candidates@
)
RETURNING seq, id, aggregate_type, aggregate_id, event_type, event_data, topic,
          partition_key, created_at, retry_count, max_retries, headers
