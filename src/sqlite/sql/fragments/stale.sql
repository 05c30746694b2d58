-- SPDX-License-Identifier: MIT
-- Holds for rows that are held since ?1, in milliseconds, or longer. Whoever set the status without a
-- time of its own is stale at once.
status = 'PROCESSING' AND coalesce(claimed_at, 0) <= ?1
