-- SPDX-License-Identifier: MIT
-- The first of the two numbers of each lock: made from the table's, and unlike it, as many programs
-- lock by the number of a table. Null when there is no table.
SELECT (to_regclass('outbox_events')::oid::bigint # 1381190734)::bit(32)::int
