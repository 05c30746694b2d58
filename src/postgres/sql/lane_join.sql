-- SPDX-License-Identifier: MIT
-- Makes the session a member. $1 the outbox; $2 what stands for its number of lanes.
--
-- Nobody takes this lock for itself, so that it is always granted.
SELECT pg_try_advisory_lock_shared($1::int, $2::int)
