-- SPDX-License-Identifier: MIT
-- $1 the outbox; $2 the lane.
SELECT pg_try_advisory_lock($1::int, $2::int)
