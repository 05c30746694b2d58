-- SPDX-License-Identifier: MIT
-- What an event is made of, in the order that read_event() takes.
--
-- A time is sent as the server keeps it, eight bytes with the microseconds since 2000: arithmetic with
-- its exact numbers takes the server as long as all other columns but the content. By encode(), as
-- bytes themselves are written as the session's bytea_output says.
seq, retry_count, id, aggregate_type, aggregate_id, event_type, event_data, topic,
       partition_key, headers, encode(timestamptz_send(created_at), 'hex'), max_retries
