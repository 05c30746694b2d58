-- SPDX-License-Identifier: MIT
-- What an event is made of, in the order that read_event() takes.
--
-- Times are microseconds since 1970. The clock of the program counts nanoseconds in 64 bits; times
-- that it does not reach, and infinite ones, are none here, so that no arithmetic on them fails.
seq, retry_count, id, aggregate_type, aggregate_id, event_type, event_data, topic,
       partition_key, headers,
       CASE WHEN created_at >= '1678-01-01 00:00:00+00' AND created_at < '2262-01-01 00:00:00+00'
            THEN (extract(epoch FROM created_at) * 1000000)::bigint END,
       max_retries
