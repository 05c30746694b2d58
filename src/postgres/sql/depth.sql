-- SPDX-License-Identifier: MIT
-- Rows that wait or are held, counted up to $1 of each, and the age of the oldest in milliseconds.
-- The oldest is taken to be the first in each state; an infinite time has no age.
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'NEW'
                              LIMIT $1) waiting)
     + (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'PROCESSING'
                              LIMIT $1) held),
       coalesce((SELECT greatest(0, extract(epoch FROM
                            clock_timestamp() - min(created_at)) * 1000)::bigint
                 FROM ((SELECT created_at FROM outbox_events WHERE status = 'NEW'
                        ORDER BY seq LIMIT 1)
                       UNION ALL
                       (SELECT created_at FROM outbox_events WHERE status = 'PROCESSING'
                        ORDER BY seq LIMIT 1)) first WHERE isfinite(created_at)), 0)
