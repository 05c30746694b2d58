-- SPDX-License-Identifier: MIT
-- All locks of an outbox: the second number of each, and whether it is this session's. $1 the outbox.
SELECT objid::bigint, pid = pg_backend_pid()
FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid = ($1::int & 4294967295)::oid
ORDER BY objid
