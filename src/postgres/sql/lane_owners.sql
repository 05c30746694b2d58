-- SPDX-License-Identifier: MIT
-- All locks of an outbox, as in lane_census: the second number of each, the session's process, and
-- where that comes from. $1 the outbox.
SELECT objid::bigint, pid::bigint, coalesce(host(client_addr), '')
FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND objsubid = 2 AND granted
  AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid = ($1::int & 4294967295)::oid
ORDER BY objid, pid
