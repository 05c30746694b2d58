-- SPDX-License-Identifier: MIT
-- $1: the consumer. $2: milliseconds that a row stays. $3: the most rows that go.
DELETE FROM inbox_events WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM inbox_events
    WHERE consumer = $1
        AND received_at <= clock_timestamp() - $2::bigint * interval '1 millisecond'
    ORDER BY received_at
    LIMIT $3::bigint
    FOR UPDATE SKIP LOCKED
))
