-- SPDX-License-Identifier: MIT
-- Holds for rows that have been held for longer than $1 milliseconds. Whoever set the status without
-- a time of its own is as old as its row.
status = 'PROCESSING'
  AND coalesce(claimed_at, created_at)
      <= clock_timestamp() - $1::bigint * interval '1 millisecond'
