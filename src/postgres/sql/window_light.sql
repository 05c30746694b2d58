-- SPDX-License-Identifier: MIT
-- As window_in_order, whose parameters it takes, for contents that are small: the last column tells the
-- bytes of each row alone, and NULL when they are more than the row's share, which is $5 divided by $6.
-- The rows before the first of these are those of window_in_order.
--
-- Without a sum that goes from row to row none of them is kept before it is sent. A content that is too
-- large is not sent.
SELECT @event_columns@, bytes
FROM (
    SELECT seq, retry_count, id, aggregate_type, aggregate_id, event_type, topic, partition_key,
           headers, created_at, max_retries,
           CASE WHEN pg_column_size(event_data) <= $5::bigint / $6::bigint
                THEN event_data END AS event_data,
           CASE WHEN pg_column_size(event_data) <= $5::bigint / $6::bigint
                THEN pg_column_size(event_data) END AS bytes
    FROM outbox_events
    WHERE lane + 0 = $1::integer
      AND seq > $4::bigint
      AND seq <= $7::bigint
      AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
      AND NOT pg_visible_in_snapshot(xid, $2::pg_snapshot)
) light ORDER BY seq LIMIT $6::bigint
